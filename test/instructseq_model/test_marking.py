"""Masks weighed from painting and pointing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from instructseq_model.errors import CheckpointError
from instructseq_model.geometry import letterbox, stretch
from instructseq_model.marking import Evidence, Marking, expected_overlap


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def evidence(painted: float, pointed: np.ndarray, size_wh: tuple[int, int] = (4, 4)) -> Evidence:
    placement = stretch(size_wh, 8)
    return Evidence(
        painted=np.full((2, 2), painted, np.float32), pointed=pointed.astype(np.float32), placement=placement
    )


def test_both_logits_are_weighed_and_the_bias_is_added() -> None:
    pointed = np.zeros((4, 4))
    pointed[1, 2] = 3.0
    marking = Marking(painted=0.5, pointed=2.0, bias=-1.0, threshold=0.5)
    found = marking.probability(evidence(0.8, pointed))
    expected = np.full((4, 4), sigmoid(0.5 * math.log(4) - 1))
    expected[1, 2] = sigmoid(0.5 * math.log(4) + 6 - 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found.dtype == np.float32


def test_painted_cells_are_read_linearly_between_their_centres() -> None:
    painted = np.array([[0.5, 0.9], [0.5, 0.9]], np.float32)
    held = Evidence(painted=painted, pointed=np.zeros((4, 4), np.float32), placement=stretch((4, 4), 8))
    np.testing.assert_allclose(held.logits()[0, :, 0] / math.log(9), [0, 0.25, 0.75, 1], atol=1e-6)


def test_certain_painting_has_finite_logits() -> None:
    held = Evidence(
        painted=np.array([[0.0, 1.0]] * 2, np.float32),
        pointed=np.zeros((2, 2), np.float32),
        placement=stretch((2, 2), 2),
    )
    np.testing.assert_allclose(held.logits()[0, :, 0], [-math.log(9999), math.log(9999)], rtol=1e-3)


def test_a_mask_has_the_probability_of_being_right_everywhere() -> None:
    pointed = np.array([[math.log(3), -math.log(3)], [-math.log(3), -math.log(9)]])
    marks = Marking(painted=0.0, pointed=1.0, bias=0.0, threshold=0.2).marks(evidence(0.5, pointed, (2, 2)))
    assert marks.mask.tolist() == [[True, True], [True, False]]
    np.testing.assert_allclose(marks.confidence, [[0.75, 0.25], [0.25, 0.9]], rtol=1e-5)
    assert marks.overlap == pytest.approx(1.25 / 3.1)


def test_bars_beside_the_image_are_left_out() -> None:
    pointed = np.full((4, 4), -5.0)
    pointed[1:3] = 5.0  # the square's middle half is the image
    held = Evidence(
        painted=np.full((2, 2), 0.5, np.float32), pointed=pointed.astype(np.float32), placement=letterbox((16, 8), 8)
    )
    mask = Marking(painted=0.0, pointed=1.0, bias=0.0, threshold=0.6).marks(held).mask
    assert mask.shape == (8, 16)
    assert mask[2:6].all()


def test_the_expected_overlap_of_a_sure_mask_is_one_and_of_none_nothing() -> None:
    mask = np.array([[True, False]])
    assert expected_overlap(np.array([[1.0, 0.0]]), mask) == 1.0
    assert expected_overlap(np.array([[1.0, 1.0]]), mask) == 0.5
    assert expected_overlap(np.array([[0.3, 0.3]]), np.zeros((1, 2), bool)) == 0.0


@pytest.mark.parametrize("changed", [{"pointed": math.nan}, {"bias": math.inf}, {"threshold": 0.0}, {"threshold": 1.0}])
def test_what_weighs_nothing_is_refused(changed: dict[str, float]) -> None:
    with pytest.raises(CheckpointError, match="weighs nothing"):
        Marking(**{"painted": 1.0, "pointed": 1.0, "bias": 0.0, "threshold": 0.5} | changed)
