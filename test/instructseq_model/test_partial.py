"""Answers under way, read from given tokens with a painter that paints each code by itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from instructseq_model.calibration import Calibration
from instructseq_model.decoding.underway import Underway
from instructseq_model.geometry import stretch
from instructseq_model.label_sets import label_set
from instructseq_model.partial import DECIDED, GUESSED, UNKNOWN, Partial, read_partial
from instructseq_model.perception import Task
from instructseq_model.reading import Request
from instructseq_model.vocabulary import END, PAD, OutputKind, Vocabulary

VOCABULARY = Vocabulary(text_size=5, visual_size=4, position_size=100)
VISUAL, POSITION, TEXT = (
    VOCABULARY.range_of(kind).start for kind in (OutputKind.MAP, OutputKind.BOXES, OutputKind.TEXT)
)
HOUSEHOLD = label_set("household")
COLOURS = [(255, 0, 0), (0, 0, 0), tuple(HOUSEHOLD.all_colours[3]), tuple(HOUSEHOLD.all_colours[7])]
"""What the four codes paint: a mark, nothing, class 3, class 7."""


class Painter:
    """One pixel a code."""

    def decode(self, codes: Tensor) -> Tensor:
        painted = torch.tensor(np.array(COLOURS), dtype=torch.float32)[codes]  # B x G x G x 3
        return painted.permute(0, 3, 1, 2) / 127.5 - 1


MODEL: Any = SimpleNamespace(
    config=SimpleNamespace(sequence=SimpleNamespace(vocabulary=VOCABULARY)),
    vqvae=Painter(),
    marked_codes=torch.tensor([True, False, True, True]),
    calibration=Calibration(),
    tokenizer=SimpleNamespace(size=5, decode=lambda tokens: " ".join(f"w{token}" for token in tokens)),
)


def read(task: Task, tokens: list[int], probabilities: list[float], decided: int, *, samples: int = 1) -> Any:
    """The answer under way on an image of 2 x 2 pixels: one pixel a token of a map."""
    kinds = {Task.DETECTION: OutputKind.BOXES, Task.CAPTION: OutputKind.TEXT}
    request = Request(
        instruction="find it",
        kind=kinds.get(task, OutputKind.MAP),
        task=task,
        placement=stretch((2, 2), 2),
        samples=samples,
        temperature=0.0,
        seed=0,
        kind_probabilities={},
        label_set=HOUSEHOLD if task is Task.SEMANTIC else None,
    )
    underway = Underway(
        tokens=torch.tensor([[9] * len(tokens), tokens]),
        probabilities=torch.tensor([[0.1] * len(tokens), probabilities]),
        decided=torch.tensor([0, decided]),
    )
    return read_partial(MODEL, underway, 1, request, {"decode": 2.0})


def test_map_shows_decided_and_guessed_tokens_and_nothing_where_nothing_is_known() -> None:
    found: Partial = read(Task.SEGMENTATION, [VISUAL, VISUAL + 1, VISUAL, PAD], [0.9, 0.4, 1, 1], decided=2)
    assert found.decided is not None
    assert found.decided.tolist() == [[DECIDED, DECIDED], [GUESSED, UNKNOWN]]
    assert found.perception.mask is not None
    assert found.perception.mask.tolist() == [[1, 0], [1, 0]]
    assert found.perception.colour_map is not None
    assert found.perception.colour_map[1].tolist() == [[255, 0, 0], [0, 0, 0]]
    assert found.perception.confidence is not None
    assert found.perception.confidence.flatten().tolist() == pytest.approx([0.9, 0.4, 0, 0])
    assert found.perception.score == pytest.approx((0.9 * 0.4) ** 0.5)
    assert found.perception.timings["decode"] == 2.0


def test_classes_are_unlabelled_where_nothing_is_known_even_if_every_code_paints_one() -> None:
    MODEL.marked_codes, held = torch.ones(4, dtype=torch.bool), MODEL.marked_codes
    found: Partial = read(Task.SEMANTIC, [VISUAL + 2, VISUAL + 3, PAD, PAD], [0.5, 0.5, 1, 1], decided=1)
    MODEL.marked_codes = held
    assert found.perception.mask is not None
    assert found.perception.mask.tolist() == [[3, 7], [HOUSEHOLD.unlabelled] * 2]
    assert found.decided is not None
    assert found.decided.tolist() == [[DECIDED, GUESSED], [UNKNOWN, UNKNOWN]]
    assert (found.perception.samples, found.perception.agreement) == (1, None)


def test_boxes_are_shown_when_they_are_complete() -> None:
    assert read(Task.DETECTION, [POSITION + 10] * 3, [0.5] * 3, decided=3) is None
    corners = [POSITION + one for one in (0, 0, 49, 99, 20, 20)]
    found: Partial = read(Task.DETECTION, corners, [0.8, 0.8, 0.6, 0.6, 0.1, 0.1], decided=6, samples=2)
    (box,) = found.perception.boxes
    assert box.xyxy == pytest.approx((0.01, 0.01, 0.99, 1.99), abs=0.02)
    assert box.score == pytest.approx(0.7)
    assert found.decided is None
    ended: Partial = read(Task.DETECTION, [*corners[:4], END, PAD], [0.8] * 4 + [1, 1], decided=6)
    assert len(ended.perception.boxes) == 1


def test_text_is_the_best_words_so_far() -> None:
    assert read(Task.CAPTION, [PAD], [1.0], decided=0) is None
    found: Partial = read(Task.CAPTION, [TEXT + 1, TEXT + 4, PAD], [0.5, 0.5, 1.0], decided=0)
    assert found.perception.caption == "w1 w4"
    assert found.decided is None
