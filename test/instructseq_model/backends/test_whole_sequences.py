"""An export perceives what its model perceives: the same tokens, with the same noise."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from instructseq_model.checkpoint import load_checkpoint
from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.export.folder import write_export
from instructseq_model.model import build_random
from instructseq_model.model_config import load_model_config
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Task
from instructseq_model.text import TextTokenizer
from instructseq_model.transformer import TransformerConfig
from instructseq_model.vqvae import VQVAEConfig

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytest.importorskip("instructseq_model.decoding.steps", reason="decoding has no protocol of steps yet")

ROOT = Path(__file__).parents[3]
TINY = replace(
    load_model_config(ROOT / "config" / "household.yaml"),
    image_size=56,  # 4 x 4 cells
    transformer=TransformerConfig(layers=2, width=32, heads=2),
    vqvae=VQVAEConfig(resolution=16, channels=8, multipliers=(1, 2, 2), blocks=1, codes=32, normalization="pixel"),
    text_size=60,
    max_text_tokens=5,
)
Pair = tuple[Perceiver, Perceiver, Path]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    torch.manual_seed(0)
    model = build_random(TINY).eval().requires_grad_(False)
    with torch.no_grad():
        model.sequence.head.weight.mul_(20)
    words = {f"w{number}": number for number in range(TINY.text_size)}
    model.tokenizer = TextTokenizer(Tokenizer(WordLevel(words, unk_token="w0")))
    folder = tmp_path_factory.mktemp("export") / "tiny"
    write_export(model, folder, backend="onnx")
    return Perceiver(model), Perceiver.load(folder, threads=1), folder


@pytest.fixture(scope="module")
def household(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    try:
        model = load_checkpoint(ROOT / "checkpoints" / "household")
    except CheckpointError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("export") / "household"
    write_export(model, folder, backend="onnx")
    return Perceiver(model), Perceiver.load(folder, threads=1), folder


def check_equal(pair: Pair, task: Task, samples: int) -> None:
    image = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    arguments: dict[str, Any] = {"task": task, "samples": samples, "seed": 3, "label_set": "household"}
    expected, found = (one(image, "mark the red mug", **arguments) for one in pair[:2])
    assert [box.xyxy for box in found.boxes] == [box.xyxy for box in expected.boxes]
    assert found.caption == expected.caption
    assert found.score == pytest.approx(expected.score, rel=1e-3)
    for name in ("mask", "agreement"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("samples", [1, 3])
def test_tiny_model_gives_the_same_answers(tiny: Pair, task: Task, samples: int) -> None:
    check_equal(tiny, task, samples)


@pytest.mark.nightly
@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("samples", [1, 3])
def test_shipped_checkpoint_gives_the_same_answers(household: Pair, task: Task, samples: int) -> None:
    check_equal(household, task, samples)


def test_damaged_file_is_refused(tiny: Pair) -> None:
    weights = tiny[2] / "vision.onnx.data"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        with pytest.raises(CheckpointError, match="instructseq export"):
            Perceiver.load(tiny[2])
    finally:
        weights.write_bytes(content)


def test_export_of_another_version_is_refused(tiny: Pair) -> None:
    manifest = tiny[2] / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace('"export": 1', '"export": 2'))
    try:
        with pytest.raises(CheckpointError, match="format 2"):
            Perceiver.load(tiny[2])
    finally:
        manifest.write_text(text)


@pytest.mark.parametrize(("backend", "words"), [("torch", "an export"), ("toaster", "onnxruntime")])
def test_backend_that_cannot_read_the_folder_is_refused(tiny: Pair, backend: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Perceiver.load(tiny[2], backend=backend)
