"""How often answers under way are shown, by a clock that the test moves."""

from __future__ import annotations

import pytest

pytest.importorskip("instructseq.action", reason="the interfaces are not built: scripts/setup.sh")

from instructseq_ros.partial_feedback import Pace


def times_shown(*, rate: float, takes: float, step: float, until: float) -> list[float]:
    """When something that takes `takes` seconds is shown, if that could be done every `step` seconds."""
    now = 0.0
    shown: list[float] = []

    def show() -> None:
        nonlocal now
        shown.append(round(now, 3))
        now += takes

    pace = Pace(rate=lambda: rate, clock=lambda: now)
    while now < until:
        pace(show)
        now += step
    return shown


def test_the_first_comes_after_a_period_and_then_one_a_period() -> None:
    assert times_shown(rate=2, takes=0, step=0.125, until=2) == [0.5, 1.0, 1.5]


def test_rate_zero_shows_nothing() -> None:
    assert times_shown(rate=0, takes=0, step=0.125, until=2) == []


def test_what_takes_long_takes_a_tenth_of_the_time_from_the_second_one_on() -> None:
    assert times_shown(rate=4, takes=0.125, step=0.125, until=4) == [0.25, 1.5, 2.75]
