"""Fitting how much a painted class counts."""

from __future__ import annotations

import numpy as np
import pytest

from instructseq_model.classing import ClassEvidence, Classing
from instructseq_model.geometry import stretch
from instructseq_training.classing_fit import LEAST, Known, fit_classing

SIDE, CLASSES = 12, 5


def known(count: int, *, painted_right: float, lead: float, seed: int = 0) -> list[Known]:
    """Maps of noise: a share of the places is painted rightly, and the true logit leads by so many deviations."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        truth = rng.integers(0, CLASSES, (SIDE, SIDE))
        other = rng.integers(0, CLASSES, (SIDE, SIDE))
        painted = np.where(rng.random((SIDE, SIDE)) < painted_right, truth, other)
        logits = lead * np.eye(CLASSES)[truth] + rng.normal(0, 1, (SIDE, SIDE, CLASSES))
        evidence = ClassEvidence(
            painted=painted[None].astype(np.uint8),
            logits=logits.astype(np.float32),
            placement=stretch((SIDE, SIDE), SIDE),
        )
        found.append((evidence, truth))
    return found


def accuracy(ids: list[np.ndarray], examples: list[Known]) -> float:
    return float(np.mean([(given == truth).mean() for given, (_, truth) in zip(ids, examples, strict=True)]))


def test_both_together_tell_more_than_each_alone_on_other_maps() -> None:
    fitted = fit_classing(known(60, painted_right=0.6, lead=1.5))
    assert fitted is not None
    assert 0 < fitted.bonus < 6
    others = known(30, painted_right=0.6, lead=1.5, seed=1)
    together = accuracy([fitted.classes(evidence)[0] for evidence, _ in others], others)
    assert together > accuracy([evidence.painted[0] for evidence, _ in others], others) + 0.02
    assert together > accuracy([Classing(bonus=0.0).classes(evidence)[0] for evidence, _ in others], others) + 0.02


@pytest.mark.parametrize(("painted", "lead", "low", "high"), [(0.9, 1.0, 2.0, 6.0), (0.1, 3.0, 0.0, 1.0)])
def test_the_better_one_counts_more(painted: float, lead: float, low: float, high: float) -> None:
    fitted = fit_classing(known(60, painted_right=painted, lead=lead))
    assert fitted is not None
    assert low <= fitted.bonus <= high


def test_painting_that_is_always_right_stays_alone() -> None:
    assert fit_classing(known(40, painted_right=1.0, lead=0.0)) is None


def test_too_few_maps_fit_nothing() -> None:
    assert fit_classing(known(LEAST - 1, painted_right=0.6, lead=1.5)) is None
