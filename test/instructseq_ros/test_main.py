"""The program: it runs until a signal, and ends in order."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

import instructseq_ros.node as program


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_program_and_python_gets_its_handlers_back(
    number: signal.Signals, perceiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes: list[program.InstructSeqNode] = []

    class Node(program.InstructSeqNode):
        def __init__(self) -> None:
            super().__init__(load=lambda settings: perceiver)
            nodes.append(self)

    def stop_when_active() -> None:
        while not nodes or not nodes[0].count_subscribers("/image"):
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(program, "InstructSeqNode", Node)
    before = signal.getsignal(number)
    thread = threading.Thread(target=stop_when_active)
    thread.start()
    assert program.main([]) == 0
    thread.join()
    assert signal.getsignal(number) == before
    assert not any(thread.name == "instructseq-worker" for thread in threading.enumerate())
