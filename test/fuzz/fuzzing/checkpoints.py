"""Checkpoint folders: configuration, weights, tokenizer, calibration and manifest, one of them wrong."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import torch
import yaml
from safetensors.torch import save

from instructseq_model.backends.table import load_backend
from instructseq_model.calibration import load_calibration
from instructseq_model.checkpoint import load_weights
from instructseq_model.errors import CheckpointError
from instructseq_model.text import TextTokenizer

from .folders import as_json, disturb, lay, manifest_of

SHIPPED = Path(__file__).parents[3] / "checkpoints" / "household"


def make(random: Random) -> dict[str, bytes]:
    """Files by name."""
    files, structured = sound()
    files = disturb(random, files, structured)
    return files | {"manifest.json": manifest_of(random, files, {"format": 1})}


def feed(files: dict[str, bytes]) -> None:
    """All parts that can be read are read, then the whole; its few weights fit no model, so that it is refused."""
    folder = _folder()
    lay(folder, files)
    _, weights = load_weights(folder)
    assert all(value.dtype == torch.float32 for part in weights.values() for value in part.values())
    for name, read in (("calibration.json", load_calibration), ("tokenizer.json", TextTokenizer.load)):
        if name in files:
            read(folder / name)
    try:
        load_backend(folder)
    except CheckpointError:
        return
    raise AssertionError("a checkpoint with three weights was taken")


@cache
def sound() -> tuple[dict[str, bytes], dict[str, Any]]:
    """A folder's files and the values of those that are structured; a few weights stand for all."""
    structured = {
        "config.yaml": yaml.safe_load((SHIPPED / "config.yaml").read_text()),
        "calibration.json": {
            "single": {"detection": {"said": [0.1, 0.9], "right": [0.2, 0.7]}},
            "several": {},
            "absence": {"detection": {"threshold": 0.4, "said": [0.1, 0.9], "right": [0.2, 0.7]}},
            "marking": {"single": {"painted": 0.4, "pointed": 0.5, "bias": -0.1, "threshold": 0.35}},
            "outlining": {"single": {"threshold": -2.0}},
            "classing": {"several": {"bonus": 1.0}},
        },
        "tokenizer.json": json.loads((SHIPPED / "tokenizer.json").read_text()),
    }
    vocabulary = structured["tokenizer.json"]["model"]
    vocabulary["vocab"] = {name: at for name, at in vocabulary["vocab"].items() if at < 50}
    vocabulary["merges"] = []
    tensors = {f"{part}.weight": torch.ones(2, 3) for part in ("sequence", "vqvae", "router")}
    files = {name: as_json(value) for name, value in structured.items()}
    return files | {"weights-1-of-1.safetensors": save(tensors)}, structured


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="fuzz-")) / "checkpoint"
