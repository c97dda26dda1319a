"""Fitting how masks are weighed."""

from __future__ import annotations

import numpy as np
import pytest

from instructseq_model.geometry import stretch
from instructseq_model.marking import Evidence
from instructseq_training.marking_fit import LEAST, Known, best_overlap_threshold, fit_marking, fit_weights


def known(count: int, weights: tuple[float, float, float], seed: int) -> list[Known]:
    """Images whose pixels are meant with the probability that these weights give."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        evidence = Evidence(
            painted=rng.uniform(0.02, 0.98, (8, 8)).astype(np.float32),
            pointed=rng.normal(0, 2, (32, 32)).astype(np.float32),
            placement=stretch((32, 32), 32),
        )
        logits = evidence.logits() @ np.array(weights[:2]) + weights[2]
        found.append((evidence, rng.random((32, 32)) < 1 / (1 + np.exp(-logits))))
    return found


def test_weights_that_made_the_truth_are_found_again() -> None:
    found = fit_marking(known(200, (0.3, 0.8, -1.0), seed=0))
    assert found is not None
    assert (found.painted, found.pointed, found.bias) == pytest.approx((0.3, 0.8, -1.0), abs=0.06)


def test_a_fitted_mask_beats_each_of_its_sources() -> None:
    fitted = fit_marking(known(60, (0.6, 0.6, 0.0), seed=1))
    assert fitted is not None
    others = known(30, (0.6, 0.6, 0.0), seed=2)

    def overlap(masks: list[np.ndarray]) -> float:
        pairs = [(mask, truth) for mask, (_, truth) in zip(masks, others, strict=True)]
        return sum((a & b).sum() for a, b in pairs) / sum((a | b).sum() for a, b in pairs)

    weighed = overlap([fitted.marks(evidence).mask for evidence, _ in others])
    for part in (0, 1):
        alone = max(overlap([e.logits()[..., part] >= level for e, _ in others]) for level in np.linspace(-2, 2, 21))
        assert weighed > alone + 0.01


def test_the_threshold_is_that_of_the_largest_overlap_of_all() -> None:
    rng = np.random.default_rng(3)
    probability = rng.random(5000) ** 2
    meant = rng.random(5000) < probability
    levels = np.arange(1, 100) / 100
    overlaps = [(meant & (probability >= t)).sum() / (meant | (probability >= t)).sum() for t in levels]
    assert best_overlap_threshold(probability, meant) == pytest.approx(levels[int(np.argmax(overlaps))])


def test_logistic_regression_of_one_feature_without_slope_gives_the_share() -> None:
    weights = fit_weights(np.zeros((1000, 1)), np.arange(1000) < 200)
    assert 1 / (1 + np.exp(-weights[1])) == pytest.approx(0.2, abs=1e-3)


def test_too_few_masks_fit_nothing() -> None:
    assert fit_marking(known(LEAST - 1, (1.0, 1.0, 0.0), seed=4)) is None
