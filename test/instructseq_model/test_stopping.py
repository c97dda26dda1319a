"""How much a model does between two questions whether to stop: one layer at most, in every part of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from instructseq_model.errors import StoppedError
from instructseq_model.model import InstructSeq, build_random
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Task
from instructseq_model.question import Question
from instructseq_model.stopping import stop_points, stopping_at
from instructseq_model.transformer import TransformerConfig

from .test_perceiver import TINY, picture, same

HEAVY = (nn.Linear, nn.Conv2d)
"""What takes the time: of each, one call at most between two questions."""


@pytest.fixture(scope="module")
def model() -> InstructSeq:
    torch.manual_seed(0)
    return build_random(replace(TINY, transformer=TransformerConfig(layers=2, width=32, heads=2)))


@contextmanager
def calls_of(model: nn.Module, seen: list[str]) -> Iterator[None]:
    """Write down each heavy layer that runs."""
    with ExitStack() as stack:
        for name, layer in model.named_modules():
            if isinstance(layer, HEAVY):
                handle = layer.register_forward_hook(lambda *_, name=name: seen.append(name))
                stack.callback(handle.remove)
        yield


@pytest.mark.parametrize("samples", [1, 4, 10])
@pytest.mark.parametrize("task", [Task.SEGMENTATION, Task.SEMANTIC, Task.DETECTION])
def test_between_two_questions_one_layer_runs_at_most(model: InstructSeq, task: Task, samples: int) -> None:
    seen: list[str] = []
    runs = [0]

    def ask() -> bool:
        runs.append(len(seen))
        return False

    question = Question(image=picture(), instruction="mug", task=task, label_set="household", samples=samples)
    with calls_of(model, seen):
        (found,) = Perceiver(model).batch([question], should_stop=ask)
    parts = {name.split(".")[0] for name in seen}
    assert {"vision", "instruction", "sequence"} <= parts
    assert ("vqvae" in parts) == (task is not Task.DETECTION)
    assert np.diff([*runs, len(seen)]).max() == 1
    same(Perceiver(model).batch([question])[0], found)


def test_any_layer_can_be_the_last_and_nothing_stays_behind(model: InstructSeq) -> None:
    seen: list[str] = []
    question = Question(image=picture(), instruction="mug", task=Task.SEGMENTATION)
    perceiver = Perceiver(model)
    (expected,) = perceiver.batch([question])
    with calls_of(model, seen):
        for most in (0, 1, 7, 50):
            perceiver.forget()
            seen.clear()
            with pytest.raises(StoppedError, match="ask again"):
                perceiver.batch([question], should_stop=lambda most=most: len(seen) >= most)
            assert len(seen) == most
    assert not any(layer._forward_pre_hooks for layer in model.modules())
    same(perceiver.batch([question])[0], expected)


def test_layers_are_as_they_were_where_nobody_may_stop(model: InstructSeq) -> None:
    with stopping_at(stop_points(model), None):
        assert not any(layer._forward_pre_hooks for layer in model.modules())


def test_what_is_compiled_and_what_is_no_model_of_pytorch_has_no_stop_points(model: InstructSeq) -> None:
    everywhere = stop_points(model)
    assert set(everywhere) >= {layer for layer in model.modules() if isinstance(layer, HEAVY)}
    decoder: Any = model.decoder
    try:
        model.decoder = object()  # type: ignore[assignment]  # stands for a compiled one
        left = stop_points(model)
    finally:
        model.decoder = decoder
    decoding = set(model.sequence.modules())
    assert left == [layer for layer in everywhere if layer not in decoding]
    assert len(left) < len(everywhere)
    assert stop_points(object()) == []
