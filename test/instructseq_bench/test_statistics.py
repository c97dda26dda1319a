"""Medians, quartiles and ratios of made-up measurements."""

from __future__ import annotations

import statistics

import pytest

from instructseq_bench.statistics import Spread, gain, paired_gain, spread
from instructseq_model.errors import ConfigError


def test_spread_of_five_values() -> None:
    assert spread([5, 1, 4, 2, 3]) == Spread(lower=2, median=3, upper=4, repetitions=5)


def test_spread_agrees_with_the_standard_library() -> None:
    values = [0.3, 7.0, 1.5, 1.5, 9.25, 4.0, 2.75]
    found = spread(values)
    quartiles = statistics.quantiles(values, n=4, method="inclusive")
    assert [found.lower, found.median, found.upper] == pytest.approx(quartiles)


def test_one_value_is_its_own_spread() -> None:
    assert spread([2.5]) == Spread(lower=2.5, median=2.5, upper=2.5, repetitions=1)


def test_no_values_are_refused() -> None:
    with pytest.raises(ConfigError, match="time budget"):
        spread([])


@pytest.mark.parametrize(("unit", "expected"), [("steps/s", 4.0), ("Hz", 4.0), ("ms", 0.25), ("passes", 0.25)])
def test_gain_is_above_one_where_ours_is_better(unit: str, expected: float) -> None:
    assert gain(8.0, 2.0, unit) == expected


def test_gain_over_nothing_has_no_meaning() -> None:
    assert gain(0.0, 5.0, "ms") is None
    assert gain(5.0, 0.0, "steps/s") is None


def test_a_load_that_comes_and_goes_leaves_the_paired_gain() -> None:
    ours, peer = [1.0, 10.0, 1.0, 10.0], [2.0, 20.0, 2.0, 20.0]
    assert paired_gain(ours, peer, "ms") == 2.0
    assert paired_gain(ours, [2.0, 2.0, 20.0, 20.0], "ms") == pytest.approx(2.0)  # gains 2, 0.2, 20, 2


def test_rounds_that_are_not_paired_are_refused() -> None:
    with pytest.raises(ConfigError, match="paired"):
        paired_gain([1.0], [1.0, 2.0], "ms")
