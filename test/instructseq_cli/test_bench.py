"""`instructseq bench`: what it refuses, the shipped clip, and the quick preset as a whole."""

from __future__ import annotations

import json
import time
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from typer.testing import CliRunner

from instructseq_bench.aims import AIMS
from instructseq_cli.bench import read_clip
from instructseq_cli.main import app
from instructseq_model.errors import InstructSeqError
from instructseq_model.perception import Task


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--preset", "eternal"], "there is no preset 'eternal': name one of quick, full, gpu"),
        (["--only", "weather"], "there is no section 'weather'"),
        (["--export", "onnxruntime"], "must be BACKEND=FOLDER"),
        (["--checkpoint", "nowhere"], "there is no checkpoint 'nowhere'"),
    ],
)
def test_wrong_options_are_one_line_with_what_to_do(
    runner: CliRunner, options: list[str], said: str, tmp_path: Path
) -> None:
    shown = runner.invoke(app, ["bench", "--json", str(tmp_path / "bench.json"), *options])
    assert shown.exit_code == 2
    assert said in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_the_shipped_clip_has_frames_and_something_to_ask() -> None:
    pytest.importorskip("rosbags")
    clip = read_clip("demo", 5)
    assert [frame.shape for frame in clip.frames] == [(480, 640, 3)] * 5
    assert set(clip.instructions) == set(Task)


def test_a_missing_bag_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("rosbags")
    with pytest.raises(InstructSeqError, match="there is no bag"):
        read_clip(str(tmp_path), 5)


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_the_quick_preset_measures_all_sections_and_maps_are_exact(runner: CliRunner, tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    began = time.monotonic()
    shown = runner.invoke(app, ["bench", "--preset", "quick", "--json", str(file)])
    assert shown.exit_code == 0, shown.output
    assert time.monotonic() - began < 600  # two minutes where nothing else runs
    rows = {row["name"]: row for row in json.loads(file.read_text())["rows"]}
    assert {name.partition("/")[0] for name in rows} == {"paper", "maps", "tasks", "startup", "node", "growth"}
    assert all(row["exact"] for name, row in rows.items() if name.startswith("maps/"))
    for aim in AIMS:
        told = [row["notes"] for name, row in rows.items() if fnmatchcase(name, aim.rows)]
        assert told, aim
        assert all("aim" in notes for notes in told), aim
    assert (tmp_path / "bench-ratios.png").is_file()
