"""The system's clock is set while the node works, an hour back and forward. `stepped_clock.c` stands for who sets it.

Only the node's process sees the stepped clock; frames are stamped with it too, as a camera on the same machine does.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
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

from .goals import SOON, carried_out
from .watcher import NANOSECONDS, Watcher

SOURCE = Path(__file__).with_name("stepped_clock.c")
HOUR = 3600
LATE = "dropped: its stamp was older than that of the frame before"


class SteppedClock:
    """The system's clock as one process sees it, `offset` seconds ahead of the true one."""

    def __init__(self, folder: Path) -> None:
        self._library, self._file = folder / "stepped_clock.so", folder / "ahead"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", self._library, SOURCE], check=True)
        self.step(0)

    @property
    def environment(self) -> dict[str, str]:
        """Of the process."""
        return {"LD_PRELOAD": str(self._library), "STEPPED_CLOCK": str(self._file)}

    def step(self, offset: int) -> None:
        """Set it."""
        self.offset = offset
        with self._file.open("r+b" if self._file.exists() else "wb") as file:  # the process has it mapped
            file.write(struct.pack("=q", offset))

    def stamp(self) -> int:
        """Nanoseconds."""
        return time.time_ns() + self.offset * NANOSECONDS


@pytest.mark.nightly
@pytest.mark.timeout(7200)
@pytest.mark.skipif(shutil.which("cc") is None or sys.platform != "linux", reason="this is for Linux with a C compiler")
def test_a_step_of_the_systems_clock_stops_nothing_and_ends_no_instruction(
    make_stand_in: Callable[..., Any], tmp_path: Path, note: Callable[..., None]
) -> None:
    clock = SteppedClock(tmp_path)
    program = make_stand_in(instruction="mark the red square", goal_timeout=3.0, most_late=1.0)
    program.start(**clock.environment)
    with Watcher() as watcher:
        goals = ActionClient(watcher.node, Perceive, "/instructseq/perceive")
        answered(watcher, clock)
        stand(watcher, Instruction(id="mug", text="find the red square", expiry=Duration(sec=HOUR // 2)))
        for offset in (0, -HOUR, HOUR):
            watcher.spin(2.0)
            clock.step(offset)
            took = at_work(watcher, clock, goals)
            note(**{f"after_{offset:+d}_s_{name}": value for name, value in took.items()})
            assert "mug" in standing(watcher)
        stand(watcher, Instruction(id="cup", text="find the red square", expiry=Duration(sec=20)))
        clock.step(-HOUR)
        watcher.wait(lambda: "cup" not in standing(watcher), SOON)
        assert "mug" in standing(watcher)
        goals.destroy()
    assert program.stop() == 0


def at_work(watcher: Watcher, clock: SteppedClock, goals: ActionClient[Any, Any, Any]) -> dict[str, float]:
    """Check frames, diagnostics, `most_late` and the time limit of goals; how long they took, in seconds."""
    began = time.monotonic()
    watcher.wait_for_diagnostics(SOON)  # before anything comes in, which ends waits that last too long
    took = {"diagnostics": time.monotonic() - began}
    began = time.monotonic()
    answered(watcher, clock)
    took["answer"] = time.monotonic() - began
    assert watcher.diagnostics["perception"]["state"] == "active"
    assert 0 <= float(watcher.diagnostics["camera"]["frames per second"]) < 10
    before = late_frames(watcher)
    watcher.repeat(
        lambda: watcher.show("", 1, stamp=answered(watcher, clock) - NANOSECONDS // 5),
        lambda: int(watcher.diagnostics["camera"][LATE]) > before,
        SOON,
    )
    answered(watcher, clock)  # the last frame, so no late one is under way any more
    dropped = late_frames(watcher)
    answered(watcher, clock)
    assert late_frames(watcher) == dropped
    began = time.monotonic()
    result = carried_out(goals, watcher, Perceive.Goal(instruction="describe this picture"))
    took["goal_given_up"] = time.monotonic() - began
    assert "no frame came on /image within 3 seconds" in result.message
    return took


def answered(watcher: Watcher, clock: SteppedClock) -> int:
    """Show frames until the newest is answered, and return its stamp."""
    stamps = []

    def show() -> None:
        stamps.append(clock.stamp())
        watcher.show("", 0, stamp=stamps[-1])

    watcher.repeat(show, lambda: any(one.stamp == stamps[-1] for one in watcher.answers), SOON)
    return stamps[-1]


def stand(watcher: Watcher, instruction: Instruction) -> None:
    """Have it stand."""
    watcher.repeat(lambda: watcher.standing.publish(instruction), lambda: instruction.id in standing(watcher), SOON)


def late_frames(watcher: Watcher) -> int:
    """How many were dropped until now."""
    watcher.wait_for_diagnostics(SOON)
    return int(watcher.diagnostics["camera"][LATE])


def standing(watcher: Watcher) -> str:
    """The instructions that stand, as diagnostics say."""
    return watcher.diagnostics.get("perception", {}).get("instructions", "")
