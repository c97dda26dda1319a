"""The process of a goal's client stands still for longer than DDS waits for it, 20 seconds; the node goes on.

A debugger does that to a process, a machine that sleeps, or one that has far too much to do.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

from rclpy.action import ActionClient

from instructseq.action import Perceive

from .goals import SOON, carried_out, send
from .watcher import Watcher

STILL_SECONDS = 45


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_client_that_stood_still_hears_of_its_goal_when_it_asks_again(
    make_stand_in: Callable[..., Any], note: Callable[..., None]
) -> None:
    program = make_stand_in(goal_timeout=2.0)
    program.start()
    with Watcher() as watcher:
        goals = ActionClient(watcher.node, Perceive, "/instructseq/perceive")
        watcher.wait(lambda: watcher.diagnostics.get("perception", {}).get("state") == "active", SOON)
        sent = send(goals, watcher, Perceive.Goal(instruction="find the red square"))
        stand_still(STILL_SECONDS)
        watcher.spin(10.0)
        note(first_request_was_answered=sent.asked[0].done())
        watcher.repeat(sent.ask, lambda: sent.outcome, SOON)
        note(result_was_lost=sent.is_lost)
        assert sent.is_lost or "no frame came" in sent.outcome.result.message
        after = carried_out(goals, watcher, Perceive.Goal(instruction="find the red square"))
        assert "no frame came" in after.message
        goals.destroy()
    assert program.stop() == 0


def stand_still(seconds: int) -> None:
    """Stop all threads of this process for so long."""
    began = time.monotonic()
    helper = subprocess.Popen(["sh", "-c", f"kill -STOP {os.getpid()}; sleep {seconds}; kill -CONT {os.getpid()}"])
    helper.wait()
    assert time.monotonic() - began >= seconds
