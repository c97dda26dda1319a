"""The whole command on two processes: from prepared frames to log, state and TensorBoard."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from instructseq_model.errors import CheckpointError
from instructseq_model.grounding import GroundingConfig
from instructseq_model.model_config import ModelConfig, load_model_config
from instructseq_model.pretrained import model_directory, pretrained_source
from instructseq_model.transformer import TransformerConfig
from instructseq_model.vqvae import VQVAE, VQVAEConfig, save_vqvae
from instructseq_training.prepared import CLASSES, FEATURES, FRAMES, INSTANCES
from instructseq_training.speed import made_up_frames
from instructseq_training.states import PROGRESS, TENSORS
from instructseq_training.train import run
from instructseq_training.trainer import LOG, STATE

from .test_parallel import environment

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """
model: model.yaml
steps: {steps}
evaluation_frames: 1
threads: 1
grounding_start: {{steps: 2, frames: 1, expressions: 2, phrasings: 1}}
batch: {{frames: 2, referring_maps: 1, semantic_maps: 1, boxes: 1, captions: 1, grounding: 1}}
execution: {{parallel: {parallel}}}
tensorboard: true
"""


def small(config: ModelConfig) -> ModelConfig:
    """The household model with 4 x 4 cells, narrow."""
    shape = VQVAEConfig.from_mapping(config.vqvae.to_mapping() | {"resolution": 32, "channels": 8, "codes": 32})
    return replace(
        config,
        image_size=56,
        transformer=TransformerConfig(layers=1, width=32, heads=2),
        vqvae=shape,
        grounding=GroundingConfig(subcells=2, key_width=8),
    )


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A folder with a model, a VQ-VAE and prepared frames."""
    try:
        model_directory(pretrained_source("minilm", offline=True))
    except CheckpointError as error:
        pytest.skip(str(error))
    config = small(load_model_config(ROOT / "config" / "household.yaml"))
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(config.to_mapping()))
    torch.manual_seed(0)
    save_vqvae(VQVAE(config.vqvae), tmp_path / "vqvae")
    frames = made_up_frames(config, count=3)
    for split in ("train", "val", "heldout"):
        folder = tmp_path / "out" / "prepared" / split
        folder.mkdir(parents=True)
        np.save(folder / FEATURES, frames.features)
        np.save(folder / INSTANCES, frames.instances)
        np.save(folder / CLASSES, frames.classes)
        (folder / FRAMES).write_text(json.dumps(frames.said))
    return tmp_path


def test_torchrun_trains_and_one_process_goes_on(prepared: Path) -> None:
    (prepared / "two.yaml").write_text(RECIPE.format(steps=2, parallel="ddp"))
    folders = ["--scenes", prepared / "none", "--vqvae", prepared / "vqvae", "--out", prepared / "out"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "instructseq_training.train", prepared / "two.yaml", *folders]
    done = subprocess.run(
        [str(part) for part in command], env=environment(), capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("starting at step 0") == 1
    (prepared / "one.yaml").write_text(RECIPE.format(steps=3, parallel="none"))
    run(prepared / "one.yaml", scenes=[prepared / "none"], vqvae=prepared / "vqvae", out=prepared / "out")
    out = prepared / "out"
    rows = [json.loads(line) for line in (out / LOG).read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 2, 3, 3]  # losses, scores, by each of the two commands
    assert rows[0]["instructions"] == rows[2]["instructions"] == 10
    assert 0 <= rows[0]["waiting"] < 1
    assert 0 < rows[0]["mfu"] < 1
    assert "free_res_oiou" in rows[1]
    assert json.loads((out / STATE / PROGRESS).read_text())["step"] == 3
    assert (out / STATE / TENSORS).is_file()
    assert list((out / "tensorboard").glob("events*"))
