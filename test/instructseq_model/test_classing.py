"""Maps of classes read from painting and the grounding."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from instructseq_model.classing import ClassEvidence, Classing
from instructseq_model.errors import CheckpointError
from instructseq_model.geometry import stretch


def evidence(painted: list[list[list[int]]], logits: NDArray[np.float64]) -> ClassEvidence:
    maps = np.array(painted, np.uint8)
    return ClassEvidence(painted=maps, logits=logits.astype(np.float32), placement=stretch((20, 10), 8))


def test_a_painted_class_wins_where_its_bonus_outweighs_what_it_lacks() -> None:
    logits = np.zeros((2, 2, 3))
    logits[..., 0] = [[1.0, 3.0], [1.0, 3.0]]
    held = evidence([[[2, 2], [0, 1]]], logits)
    ids, probability = Classing(bonus=2.0).classes(held)
    assert ids.tolist() == [[2, 0], [0, 0]]
    assert ids.dtype == np.uint8
    e = math.e
    expected = [[e**2 / (e + 1 + e**2), e**3 / (e**3 + 1 + e**2)], [e**3 / (e**3 + 2), e**3 / (e**3 + e**2 + 1)]]
    np.testing.assert_allclose(probability, expected, rtol=1e-5)


def test_each_sample_adds_its_share_of_the_bonus() -> None:
    logits = np.zeros((1, 1, 3))
    logits[..., 0] = 1.0
    for votes, wins in (([2, 2, 1, 1], 0), ([2, 2, 2, 1], 2), ([1, 1, 1, 1], 1)):
        ids, _ = Classing(bonus=1.5).classes(evidence([[[vote]] for vote in votes], logits))
        assert ids.tolist() == [[wins]]


def test_logits_are_read_linearly_between_their_places() -> None:
    logits = np.zeros((2, 2, 2))
    logits[:, 1, 1] = 4.0
    logits[..., 0] = 1.5  # crossed between the second and the third place of four
    ids, _ = Classing(bonus=0.0).classes(evidence([[[0] * 4] * 4], logits))
    assert ids.tolist() == [[0, 0, 1, 1]] * 4


def test_what_most_samples_leave_unlabelled_stays_so() -> None:
    logits = np.zeros((1, 2, 2))
    held = evidence([[[2, 2], [2, 2]], [[2, 0], [2, 0]], [[2, 2], [2, 2]]], np.repeat(logits, 2, 0))
    ids, probability = Classing(bonus=1.0).classes(held)
    assert ids.tolist() == [[2, 2], [2, 2]]
    np.testing.assert_allclose(probability, [[1, 2 / 3], [1, 2 / 3]], rtol=1e-6)


@pytest.mark.parametrize("bonus", [-0.1, math.nan, 101.0])
def test_what_is_no_bonus_is_refused(bonus: float) -> None:
    with pytest.raises(CheckpointError, match="no bonus"):
        Classing(bonus=bonus)
