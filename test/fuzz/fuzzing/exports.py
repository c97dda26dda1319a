"""Export folders: manifest, configuration and graphs, one of them wrong."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from instructseq_model.backends.export_reading import is_export, read_export, written_for

from .checkpoints import sound
from .folders import disturb, lay, manifest_of

DESCRIBED: dict[str, Any] = {
    "export": 1,
    "backend": "onnx",
    "precision": "fp32",
    "graphs": {"decoder": {"inputs": {"keys_0": {"shape": [1, 2, 64, 8]}}}},
}


def make(random: Random) -> dict[str, bytes]:
    """Files by name."""
    checkpoint, structured = sound()
    files = {name: checkpoint[name] for name in ("config.yaml", "tokenizer.json", "calibration.json")}
    files = disturb(random, files | {"decoder.onnx": bytes(64)}, structured)
    return files | {"manifest.json": manifest_of(random, files, DESCRIBED)}


def feed(files: dict[str, bytes]) -> None:
    """What is taken has all that the sessions ask for."""
    folder = _folder()
    lay(folder, files)
    if not is_export(folder):
        assert written_for(folder) == "checkpoint"
    export = read_export(folder)
    assert "decoder" not in export.graphs or export.room is None or export.room > 0
    assert export.file("decoder").parent == folder


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="fuzz-")) / "export"
