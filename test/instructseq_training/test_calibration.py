"""Fitting calibration curves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from instructseq_model.perception import Task
from instructseq_training.calibration import (
    Judged,
    best_threshold,
    fit_absences,
    fit_curve,
)
from instructseq_training.evaluation.calibration import expected_calibration_error


def answers(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A model that is right as often as the square of what it says."""
    rng = np.random.default_rng(seed)
    said = rng.random(count)
    return said, rng.random(count) < said**2


def test_a_curve_learned_on_some_answers_holds_on_others() -> None:
    curve = fit_curve(*answers(20_000, seed=0))
    np.testing.assert_allclose(curve(np.array([0.3, 0.5, 0.8])), [0.09, 0.25, 0.64], atol=0.04)
    said, right = answers(20_000, seed=1)
    assert expected_calibration_error(said, right) > 0.14
    assert expected_calibration_error(curve(said), right) < 0.02


def test_few_answers_are_fitted_as_isotonic_regression_of_their_bins_says() -> None:
    said, right = answers(100, seed=2)
    order = np.argsort(said).reshape(5, 20)
    curve = fit_curve(said, right)
    np.testing.assert_allclose(curve.said, said[order].mean(1), atol=1e-6)
    np.testing.assert_allclose(curve.right, isotonic_regression(right[order].mean(1)).x, atol=1e-6)


def test_a_model_that_always_says_the_same_gets_its_mean() -> None:
    curve = fit_curve(np.full(60, 0.9), np.arange(60) % 3 == 0)
    assert curve.said == (0.9,)
    assert curve.right == (pytest.approx(1 / 3),)


def test_the_threshold_lies_where_silence_is_worth_most() -> None:
    said = np.array([0.9, 0.8, 0.6, 0.5, 0.1])
    nothing = np.array([True, True, False, True, False])
    worth = np.array([0.0, 0.0, 0.4, 0.0, 0.7])
    # Silence from 0.8 on gains 2, from 0.6 on 1.6, from 0.5 on 2.6, everywhere 1.9.
    assert best_threshold(said, worth, nothing) == pytest.approx(0.3)
    assert best_threshold(said, np.where(nothing, 1.0, worth), nothing) is None  # it says so already
    assert best_threshold(np.full(5, 0.5), worth, nothing) == pytest.approx(0.25)  # all of them or none


def test_masks_and_boxes_have_thresholds_of_their_own_where_enough_mean_nothing() -> None:
    rng = np.random.default_rng(3)

    def some(task: Task, share: float) -> list[Judged]:
        nothing = rng.random(200) < share
        said = np.where(nothing, 0.6, 0.2) + 0.1 * rng.random(200)
        return [
            Judged(task=task, pairs=(), absence=float(p), worth=0.0 if n else 0.5, means_nothing=bool(n))
            for p, n in zip(said, nothing, strict=True)
        ]

    found = fit_absences(some(Task.SEGMENTATION, 0.2) + some(Task.DETECTION, 0.0))
    assert list(found) == ["segmentation"]
    assert 0.3 < found["segmentation"].threshold < 0.6
    low, high = found["segmentation"].curve(np.array([0.25, 0.65]))
    assert low < 0.1
    assert high > 0.9
