"""The system's clock is set while the node works, an hour back and forward. libfaketime stands for whoever sets it.

Only the node's process sees the stepped clock; frames are stamped with it too, as a camera on the same machine does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

from builtin_interfaces.msg import Duration
from rclpy.action import ActionClient

from instructseq.action import Perceive
from instructseq.msg import Instruction

from .watcher import NANOSECONDS, Watcher

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
HOUR = 3600
LATE = "dropped: its stamp was older than that of the frame before"
SOON = 240.0
"""Seconds; a machine that is busy with other things takes some of them."""


class SteppedClock:
    """The system's clock as one process sees it, `offset` seconds ahead of the true one."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.step(0)

    @property
    def environment(self) -> dict[str, str]:
        """Of the process."""
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",  # nobody sets that one
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, offset: int) -> None:
        """Set it."""
        self.offset = offset
        self._file.write_text(f"{offset:+d}\n", encoding="ascii")
        time.sleep(2.0)  # until the process has read it

    def stamp(self) -> int:
        """Nanoseconds."""
        return time.time_ns() + self.offset * NANOSECONDS


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed: apt install libfaketime")
def test_a_step_of_the_systems_clock_stops_nothing_and_ends_no_instruction(
    make_node: Callable[..., Any], tmp_path: Path, note: Callable[..., None]
) -> None:
    clock = SteppedClock(tmp_path / "clock")
    program = make_node(instruction="mark the red square", goal_timeout=3.0, most_late=1.0)
    program.start(**clock.environment)
    with Watcher() as watcher:
        goals = ActionClient(watcher.node, Perceive, "/instructseq/perceive")
        answered(watcher, clock, seconds=600.0)
        watcher.standing.publish(Instruction(id="mug", text="where is the mug?", expiry=Duration(sec=HOUR // 2)))
        watcher.wait(lambda: "mug" in standing(watcher), SOON)
        for offset in (0, -HOUR, HOUR):
            clock.step(offset)
            took = at_work(watcher, clock, goals)
            note(**{f"after_{offset:+d}_s_{name}": value for name, value in took.items()})
            assert "mug" in standing(watcher)
        watcher.standing.publish(Instruction(id="cup", text="where is the cup?", expiry=Duration(sec=20)))
        watcher.wait(lambda: "cup" in standing(watcher), 15.0)
        clock.step(-HOUR)
        watcher.wait(lambda: "cup" not in standing(watcher), SOON)
        assert "mug" in standing(watcher)
        goals.destroy()
    assert program.stop() == 0


def at_work(watcher: Watcher, clock: SteppedClock, goals: ActionClient[Any, Any, Any]) -> dict[str, float]:
    """Check frames, diagnostics, `most_late` and the time limit of goals; how long they took, in seconds."""
    took = {"answer": answered(watcher, clock)}
    began = time.monotonic()
    before = watcher.diagnosed
    watcher.wait(lambda: watcher.diagnosed > before + 4, 60.0)  # due every half second
    took["four_diagnostics"] = time.monotonic() - began
    camera = watcher.diagnostics["camera"]
    assert watcher.diagnostics["perception"]["state"] == "active"
    assert 0 <= float(camera["frames per second"]) < 10
    late = int(camera[LATE])
    watcher.show("", 1, stamp=watcher.answers[-1].stamp - NANOSECONDS // 5)
    watcher.wait(lambda: int(watcher.diagnostics["camera"][LATE]) == late + 1, SOON)
    answered(watcher, clock)
    assert int(watcher.diagnostics["camera"][LATE]) == late + 1
    began = time.monotonic()
    sent = goals.send_goal_async(Perceive.Goal(instruction="describe this picture"))
    watcher.wait(sent.done, SOON)
    outcome = sent.result().get_result_async()
    watcher.wait(outcome.done, SOON)
    took["goal_given_up"] = time.monotonic() - began
    assert "no frame came on /image within 3 seconds" in outcome.result().result.message
    return took


def answered(watcher: Watcher, clock: SteppedClock, seconds: float = SOON) -> float:
    """Show a frame until it is answered, and return how long that took."""
    began = time.monotonic()
    stamp = clock.stamp()
    watcher.show("", 0, stamp=stamp)
    watcher.wait(lambda: any(one.stamp == stamp for one in watcher.answers), seconds)
    return time.monotonic() - began


def standing(watcher: Watcher) -> str:
    """The instructions that stand, as diagnostics say."""
    return watcher.diagnostics.get("perception", {}).get("instructions", "")
