"""An export folder that is damaged, of another version or for another backend is refused before anything is loaded."""

import json
from pathlib import Path

import pytest

from instructseq_model.backends.export_reading import read_export
from instructseq_model.backends.table import load_backend
from instructseq_model.errors import CheckpointError, ConfigError


def test_damaged_file_is_refused(few_graphs: Path) -> None:
    weights = few_graphs / "decoder.onnx.data"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        with pytest.raises(CheckpointError, match=r"decoder\.onnx\.data.*instructseq export"):
            load_backend(few_graphs)
    finally:
        weights.write_bytes(content)


def test_export_of_another_version_is_refused(few_graphs: Path) -> None:
    manifest = few_graphs / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace('"export": 1', '"export": 2'))
    try:
        with pytest.raises(CheckpointError, match="format 2"):
            load_backend(few_graphs)
    finally:
        manifest.write_text(text)


@pytest.mark.parametrize("room", [0, -1])
def test_decoder_with_room_for_nothing_is_refused(few_graphs: Path, room: int) -> None:
    manifest = few_graphs / "manifest.json"
    text = manifest.read_text()
    changed = json.loads(text)
    changed["graphs"]["decoder"]["inputs"]["keys_0"]["shape"][2] = room
    manifest.write_text(json.dumps(changed))
    try:
        with pytest.raises(CheckpointError, match=f"room for {room} tokens"):
            read_export(few_graphs)
    finally:
        manifest.write_text(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"backend": "torch"}, "an export"),
        ({"backend": "toaster"}, "onnxruntime"),
        ({"precision": "bfloat16"}, "for checkpoints"),
        ({"backend": "tensorrt"}, "--backend onnxruntime"),
    ],
)
def test_what_the_folder_does_not_allow_is_refused(few_graphs: Path, arguments: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_backend(few_graphs, **arguments)
