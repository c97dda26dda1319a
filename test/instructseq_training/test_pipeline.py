"""A recipe from nothing to a checkpoint, stopped in between, and an answer from what it wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructseq_model.errors import ConfigError
from instructseq_training.pipeline import load_pipeline_config
from instructseq_training.prepared import load_prepared
from instructseq_training.scenes.shards import read_shard
from instructseq_training.vqvae.run import read_config

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "config" / "recipes").glob("*.yaml"))


def program(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from instructseq_cli.main import app; app()", *map(str, arguments)]


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), *(entry for entry in sys.path if entry)])
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}


def start_and_kill(command: list[str], *, at: Path, log: Path) -> None:
    """SIGKILL a program, with all that it started, as soon as a file is there."""
    with log.open("w") as output:
        running = subprocess.Popen(
            command, env=environment(), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        while running.poll() is None and not at.is_file():
            time.sleep(0.05)
        assert running.poll() is None, log.read_text()
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


@pytest.mark.nightly
def test_a_recipe_goes_on_after_a_kill_and_its_checkpoint_answers(tmp_path: Path, assets: Path, opengl: None) -> None:
    out, recipe = tmp_path / "out", ROOT / "config" / "recipes" / "tiny.yaml"
    train = program("train", "all", recipe, "--out", out, "--assets", assets)
    start_and_kill(train, at=out / "vqvae" / "training.safetensors", log=tmp_path / "killed.txt")
    rendered = {shard: shard.stat().st_mtime_ns for shard in (out / "scenes").glob("*.tar")}
    assert not (out / "vqvae" / "report.json").exists()

    again = subprocess.run(train, env=environment(), capture_output=True, text=True, timeout=280)
    assert again.returncode == 0, again.stdout + again.stderr
    assert {shard: shard.stat().st_mtime_ns for shard in (out / "scenes").glob("*.tar")} == rendered
    steps = [json.loads(line)["step"] for line in (out / "vqvae" / "log.jsonl").read_text().splitlines()]
    planned = read_config(ROOT / "config" / "vqvae" / "tiny.yaml").training
    assert steps.count(1) == 1
    assert steps[-1] == planned.steps
    check_prepared(out)

    shard = sorted((out / "scenes").glob("val-*.tar"))[0]
    picture = tmp_path / "frame.png"
    Image.fromarray(next(read_shard(shard)).rgb).save(picture)
    asked = program(
        "perceive",
        picture,
        "mark the mug",
        "--task",
        "segmentation",
        "--checkpoint",
        out / "checkpoint",
        "--out",
        tmp_path / "seen",
    )
    answer = subprocess.run(asked, env=environment(), capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    seen = json.loads((tmp_path / "seen" / "perception.json").read_text())
    assert (seen["task"], seen["instruction"]) == ("segmentation", "mark the mug")
    assert Image.open(tmp_path / "seen" / "mask.png").size == Image.open(picture).size


def check_prepared(out: Path) -> None:
    """The prepared frames are the rendered ones, in their order."""
    counts = load_pipeline_config(ROOT / "config" / "recipes" / "tiny.yaml").frames
    for split, count in counts.items():
        prepared = load_prepared(out / "run" / "prepared" / split)
        shards = sorted((out / "scenes").glob(f"{split}-*.tar"))
        frames = [frame for shard in shards for frame in read_shard(shard)]
        assert len(prepared) == len(frames) == count
        assert [said["key"] for said in prepared.said] == [frame.key for frame in frames]
        side = prepared.instances.shape[-1]
        for number, frame in enumerate(frames):
            small = Image.fromarray(frame.instances).resize((side, side), Image.Resampling.NEAREST)
            assert np.array_equal(prepared.instances[number], np.asarray(small))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_names_files_that_are_there_and_fit_each_other(recipe: Path) -> None:
    config = load_pipeline_config(recipe)
    assert {"train", "val", "heldout"} == set(config.frames) <= set(config.seeds)
    assert (recipe.parent / config.training).is_file()
    assert read_config(recipe.parent / config.vqvae).model.resolution == 128
    assert config.scenes is None or (recipe.parent / config.scenes).is_file()


def test_a_recipe_that_is_not_there_or_lacks_parts_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="config/recipes"):
        load_pipeline_config(tmp_path / "none.yaml")
    (tmp_path / "bare.yaml").write_text("frames: {train: 1}")
    with pytest.raises(ConfigError, match="vqvae and training"):
        load_pipeline_config(tmp_path / "bare.yaml")
    (tmp_path / "more.yaml").write_text("{frames: {}, vqvae: a, training: b, speed: 3}")
    with pytest.raises(ConfigError, match="speed"):
        load_pipeline_config(tmp_path / "more.yaml")
