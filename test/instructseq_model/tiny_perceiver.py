"""A perceiver with a small random model, pictures for it, and what holds of all that it answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from instructseq_model.model import build_random
from instructseq_model.model_config import ModelConfig, load_model_config
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Perception, Task
from instructseq_model.text import TextTokenizer
from instructseq_model.transformer import TransformerConfig
from instructseq_model.vocabulary import OutputKind
from instructseq_model.vqvae import VQVAEConfig

HOUSEHOLD = load_model_config(Path(__file__).parents[2] / "config" / "household.yaml")
TINY = replace(
    HOUSEHOLD,
    image_size=56,  # 4 x 4 cells
    transformer=TransformerConfig(layers=1, width=32, heads=2),
    vqvae=VQVAEConfig(resolution=16, channels=8, multipliers=(1, 2, 2), blocks=1, codes=32, normalization="pixel"),
    text_size=60,
    max_text_tokens=5,
)
KIND = {
    Task.SEMANTIC: OutputKind.MAP,
    Task.SEGMENTATION: OutputKind.MAP,
    Task.DETECTION: OutputKind.BOXES,
    Task.CAPTION: OutputKind.TEXT,
}


def perceiver_of(config: ModelConfig) -> Perceiver:
    """A perceiver with random weights, those of the encoders included."""
    torch.manual_seed(0)
    model = build_random(config)
    with torch.no_grad():
        model.sequence.head.weight.mul_(20)
    words = {f"w{number}": number for number in range(config.text_size)}
    model.tokenizer = TextTokenizer(Tokenizer(WordLevel(words, unk_token="w0")))
    return Perceiver(model)


def picture(width: int = 40, height: int = 30, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def check(found: Perception, task: Task, width: int, height: int) -> None:
    """Shapes, types and ranges that hold whatever the model says."""
    assert (found.task, found.kind, found.size_wh) == (task, KIND[task], (width, height))
    assert 0 <= found.score <= 1
    assert sum(found.kind_probabilities.values()) == pytest.approx(1)
    assert set(found.timings) == {"encode", "decode", "aggregate", "total"}
    for box in found.boxes:
        assert 0 <= box.x1 <= box.x2 <= width
        assert 0 <= box.y1 <= box.y2 <= height
        assert 0 <= box.score <= 1
    if found.confidence is not None:
        assert (found.confidence.shape, found.confidence.dtype) == ((height, width), np.float32)
        assert 0 <= found.confidence.min() <= found.confidence.max() <= 1
    maps = task in (Task.SEMANTIC, Task.SEGMENTATION)
    assert (found.mask is not None) == (found.colour_map is not None) == maps
    assert (found.confidence is None) == (found.caption is not None) == (task is Task.CAPTION)
    assert (found.label_set is not None) == (task is Task.SEMANTIC)
    if found.mask is not None and found.colour_map is not None:
        assert found.mask.shape == (height, width)
        assert (found.colour_map.shape, found.colour_map.dtype) == ((height, width, 3), np.uint8)
        assert found.mask.dtype == np.uint8
        most = 1 if found.label_set is None else found.label_set.unlabelled
        assert found.mask.max() <= most


def same(found: Perception, expected: Perception) -> None:
    """All but the timings; numbers to float32's rounding."""
    for name in ("kind", "task", "instruction", "size_wh", "caption", "label_set", "samples"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("mask", "colour_map"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    for name in ("confidence", "agreement"):
        one, other = getattr(found, name), getattr(expected, name)
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other, atol=1e-5)
    assert [box.xyxy for box in found.boxes] == [pytest.approx(box.xyxy) for box in expected.boxes]
    assert found.score == pytest.approx(expected.score, abs=1e-5)
