"""Steps of a clock that the test sets."""

from __future__ import annotations

import threading

import pytest

from instructseq_ros.clock_watch import ClockWatch, system_clock_ahead

SOON = 60.0


def test_steps_are_told_and_a_clock_that_goes_a_little_wrong_is_none() -> None:
    readings = iter([5.0, 5.0, 5.05, -3594.95, -3594.95, 5.0])
    told: list[float] = []
    all_read = threading.Event()

    def ahead() -> float:
        reading = next(readings, None)
        if reading is None:
            all_read.set()
            return 5.0
        return reading

    watch = ClockWatch(on_step=told.append, ahead=ahead, period=0.001)
    assert all_read.wait(SOON)
    watch.close()
    watch.close()
    assert told == [pytest.approx(-3600.0), pytest.approx(3599.95)]


def test_clocks_that_nobody_sets_stay_together() -> None:
    before = system_clock_ahead()
    assert system_clock_ahead() == pytest.approx(before, abs=0.05)
