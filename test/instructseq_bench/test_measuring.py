"""Taking turns, on a clock that only moves when something is measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from instructseq_bench.measuring import Budget, interleave, timed
from instructseq_model.errors import ConfigError


class MadeUpTime:
    """A clock, and candidates that take made-up seconds of it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[tuple[str, int]] = []

    def __call__(self) -> float:
        return self.now

    def candidate(self, name: str, seconds: float) -> Callable[[int], float]:
        def measure(number: int) -> float:
            self.order.append((name, number))
            self.now += seconds
            return 100 * seconds + number

        return measure


def test_candidates_take_turns_and_the_order_turns_round() -> None:
    time = MadeUpTime()
    candidates = {name: time.candidate(name, 1.0) for name in "abc"}
    interleave(candidates, Budget(seconds=100, least=1, most=2), warm_ups=1, clock=time)
    assert time.order == [
        *(("a", 0), ("b", 0), ("c", 0)),
        *(("c", 1), ("b", 1), ("a", 1)),
        *(("a", 2), ("b", 2), ("c", 2)),
    ]


def test_values_of_warm_ups_are_dropped() -> None:
    time = MadeUpTime()
    series = interleave({"a": time.candidate("a", 1.0)}, Budget(seconds=100, most=3), warm_ups=2, clock=time)
    assert series == {"a": [102.0, 103.0, 104.0]}


def test_no_round_begins_that_would_end_after_the_budget() -> None:
    time = MadeUpTime()
    candidates = {"a": time.candidate("a", 1.0), "b": time.candidate("b", 2.0)}
    series = interleave(candidates, Budget(seconds=10.5, least=1, most=50), warm_ups=0, clock=time)
    assert {name: len(values) for name, values in series.items()} == {"a": 3, "b": 3}
    assert time.now == 9


def test_the_least_rounds_are_made_whatever_they_take() -> None:
    time = MadeUpTime()
    series = interleave({"a": time.candidate("a", 7.0)}, Budget(seconds=1, least=4), warm_ups=0, clock=time)
    assert len(series["a"]) == 4


def test_timed_work_returns_its_seconds() -> None:
    time = MadeUpTime()
    assert timed(time.candidate("a", 2.5), "cpu", clock=time)(3) == 2.5
    assert time.order == [("a", 3)]


@pytest.mark.parametrize(("least", "most"), [(0, 3), (4, 3)])
def test_impossible_rounds_are_refused(least: int, most: int) -> None:
    with pytest.raises(ConfigError, match="least"):
        Budget(seconds=1, least=least, most=most)


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one candidate"):
        interleave({}, Budget(seconds=1))
