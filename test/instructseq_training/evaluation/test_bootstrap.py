"""Intervals against scipy's bootstrap and the normal approximation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

from instructseq_training.evaluation.bootstrap import bootstrap_interval
from instructseq_training.evaluation.measures import ratio


def shares(values: np.ndarray) -> np.ndarray:
    return np.stack([values, np.ones(len(values))], -1)


def test_interval_of_a_mean_agrees_with_scipy() -> None:
    values = np.random.default_rng(1).random(80)
    low, high = bootstrap_interval(shares(values), range(80), ratio, draws=4000)
    expected = bootstrap((values,), np.mean, method="percentile", n_resamples=4000, random_state=2).confidence_interval
    assert low == pytest.approx(expected.low, abs=4e-3)
    assert high == pytest.approx(expected.high, abs=4e-3)


def test_images_are_drawn_and_not_their_cases() -> None:
    values = np.random.default_rng(2).random(40)
    alone = bootstrap_interval(shares(values), range(40), ratio)
    repeated = bootstrap_interval(shares(np.repeat(values, 5)), np.repeat(np.arange(40), 5).tolist(), ratio)
    assert repeated == pytest.approx(alone)  # the same question five times tells no more


def test_equal_arguments_give_equal_intervals() -> None:
    values = shares(np.random.default_rng(3).random(20))
    assert bootstrap_interval(values, range(20), ratio) == bootstrap_interval(values, range(20), ratio)


def test_draws_without_a_score_are_left_out() -> None:
    statistics = np.array([[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]])
    assert bootstrap_interval(statistics, "abc", ratio) == (0.5, 0.5)
    assert bootstrap_interval(statistics[[0, 2]], "ab", ratio) is None


def test_one_image_has_no_interval() -> None:
    assert bootstrap_interval(np.ones((3, 2)), ["a"] * 3, ratio) is None


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="3 rows"):
        bootstrap_interval(np.ones((3, 2)), "ab", ratio)
