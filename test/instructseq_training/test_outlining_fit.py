"""Fitting how boxes are outlined."""

from __future__ import annotations

import numpy as np
import pytest

from instructseq_model.geometry import stretch
from instructseq_model.outlining import BoxEvidence
from instructseq_training.outlining_fit import LEAST, Known, fit_outlining, hits

PLACEMENT = stretch((64, 64), 64)


def known(count: int, *, drawn: float, decoded: float) -> list[Known]:
    """Objects of 20 pixels a side in logits that fall by 1 a pixel from the middle of each side on.

    Args:
        drawn: logit at the objects' edges.
        decoded: side of the decoded boxes in sides of the objects.
    """
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        middle = rng.integers(16, 48, 2)
        away = np.abs(np.stack(np.meshgrid(np.arange(64), np.arange(64)), -1) + 0.5 - middle).max(-1)
        corners = np.concatenate([middle - 10, middle + 10])[None].astype(float)
        given = np.concatenate([middle - 10 * decoded, middle + 10 * decoded])[None] / 64
        evidence = BoxEvidence(
            answers=(given,), said=(np.ones(1),), pointed=(drawn + 10 - away).astype(np.float32), placement=PLACEMENT
        )
        found.append((evidence, corners))
    return found


def test_the_threshold_that_makes_most_boxes_right_is_found() -> None:
    examples = known(60, drawn=-2.0, decoded=0.4)
    fitted = fit_outlining(examples)
    assert fitted is not None
    assert -4 <= fitted.threshold <= 1
    assert all(hits(fitted.boxes(evidence)[0], evidence, truth).all() for evidence, truth in examples)
    assert not any(hits(evidence.answers[0], evidence, truth).any() for evidence, truth in examples)


def test_boxes_that_are_right_already_stay() -> None:
    assert fit_outlining(known(60, drawn=-30.0, decoded=1.0)) is None


def test_too_few_boxes_fit_nothing() -> None:
    assert fit_outlining(known(LEAST - 1, drawn=-2.0, decoded=0.4)) is None


@pytest.mark.parametrize(("side", "right"), [(16, True), (12, False)])
def test_a_box_is_right_from_an_overlap_of_a_half_on(side: int, right: bool) -> None:
    [(evidence, _)] = known(1, drawn=0.0, decoded=1.0)
    boxes, truth = np.array([[0, 0, side, side]]) / 64, np.array([[0.0, 0.0, 20.0, 20.0]])
    assert hits(boxes, evidence, truth).tolist() == [right]
    assert hits(boxes, evidence, truth[:0]).tolist() == [False]
