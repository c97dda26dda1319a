"""SIGKILL under load: the node that is started again answers by itself, and nothing is left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

from .program import cameras, mapped_by
from .watcher import Watcher

KILLS = int(os.environ.get("INSTRUCTSEQ_KILLS", "5"))


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_killed_node_comes_back_under_load(make_node: Callable[..., Any], note: Callable[..., None]) -> None:
    program = make_node(instruction="mark the red square in green")
    with Watcher() as watcher, cameras(["/image", "/image"], 10.0) as drivers:
        mapped: set[Path] = set()
        for start in range(KILLS + 1):
            begin, clock = program.start(), time.time_ns()
            before = len(watcher.answers)
            watcher.wait(lambda before=before: len(watcher.answers) > before, 600.0)  # type: ignore[misc]
            first = watcher.answers[before]
            assert first.stamp > clock  # not a frame from before its time
            # Of what the killed ones had mapped: what is still there, now that another one has come?
            left = sum(file.stat().st_blocks * 512 for file in mapped if file.exists()) / 2**20
            note(**{f"start_{start}_seconds_to_first_answer": first.at - begin, f"start_{start}_left_in_shm_MB": left})
            if start < KILLS:
                mapped |= program.shared_memory() - {file for one in drivers for file in mapped_by(one.process.pid)}
                program.kill()
                watcher.spin(1.0)
        assert program.stop() == 0
