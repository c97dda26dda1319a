"""Ten times as many frames as the model can answer, from several drivers at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

from .program import cameras
from .watcher import Watcher

SECONDS = float(os.environ.get("INSTRUCTSEQ_FLOOD_SECONDS", "60"))
TIMES = 10
DRIVERS = ["/left/image", "/left/image", "/right/image", "/right/image"]
GROWTH = 60
"""Megabytes that the process may hold more at the end than after the first quarter."""


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_flood_is_answered_with_fresh_frames_at_full_pace(
    make_node: Callable[..., Any], note: Callable[..., None]
) -> None:
    program = make_node(cameras=["left", "right"], instruction="mark the red square in green")
    program.start()
    with Watcher() as watcher:
        pace = watcher.seconds_an_answer("left", 8)
        note(seconds_an_answer_without_load=pace, memory_before_MB=program.memory())
        with cameras(DRIVERS, TIMES / pace) as drivers:
            begin = len(watcher.answers)
            watcher.spin(SECONDS / 4)
            warm, since = program.memory(), len(watcher.answers)
            watcher.spin(SECONDS / 4)
            drivers[1].process.send_signal(signal.SIGKILL)  # a driver that crashes is no reason to stop
            watcher.spin(SECONDS / 2)
            grown = program.memory() - warm
            for one in drivers:
                one.close()
            flood = watcher.answers[begin:]
        watcher.spin(5 * pace + 2)
        watcher.wait_for_diagnostics()
        counted = watcher.counted()
        ages = np.array([one.age for one in watcher.answers[since:]])
        note(
            frames_a_second_offered=TIMES / pace,
            frames_published_by_the_drivers_that_lived=sum(one.sent for one in drivers),
            memory_after_a_quarter_MB=warm,
            memory_growth_MB=grown,
            answers_under_flood=len(flood),
            age_p50_s=float(np.percentile(ages, 50)),
            age_p99_s=float(np.percentile(ages, 99)),
            **counted,
        )
        assert program.runs
        assert grown < GROWTH
        assert_in_order(watcher)
        assert {one.camera for one in watcher.answers[since:]} == {"left", "right"}
        # Every frame that came is accounted for, but for the two that may be on their way.
        spent = counted["answers"] + sum(value for name, value in counted.items() if name.startswith("dropped"))
        assert 0 <= counted["frames"] - spent <= 2
        # A frame waits for the one in hand and, with two cameras, for one of the other camera.
        assert np.percentile(ages, 95) < 3 * largest_gap(watcher, since) + 0.5
    assert program.stop() == 0


def assert_in_order(watcher: Watcher) -> None:
    """No answer is older than one before it."""
    newest: dict[tuple[str, str], int] = {}
    for one in watcher.answers:
        assert one.stamp >= newest.get((one.camera, one.id), 0)
        newest[one.camera, one.id] = one.stamp


def largest_gap(watcher: Watcher, since: int) -> float:
    """Longest time between two answers."""
    return float(np.diff([one.at for one in watcher.answers[since:]]).max())
