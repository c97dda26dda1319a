"""Memory that a thread has freed goes back to the system."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from instructseq_ros.device_health import device_health
from instructseq_ros.freed_memory import hand_back_freed_memory

MakeRobot = Callable[..., object]

PIECES, PIECE = 2000, 60_000
"""114 MB in pieces that glibc takes from a thread's arena."""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not glibc")
def test_what_another_thread_freed_is_handed_back() -> None:
    def take_and_free() -> list[bytes]:
        pieces = [b"x" * PIECE for _ in range(PIECES)]
        return pieces[9::10]  # all over the arena, which therefore cannot shrink by itself

    with ThreadPoolExecutor(1) as thread:
        kept = thread.submit(take_and_free).result()
        before = device_health("cpu").memory
        hand_back_freed_memory()
        after = device_health("cpu").memory
        assert len(kept) == PIECES // 10
    assert before is not None
    assert after is not None
    assert before - after > 80


def test_a_node_at_work_hands_memory_back_again_and_again(
    make_robot: MakeRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = pytest.importorskip("instructseq_ros.node", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
    calls = threading.Semaphore(0)
    monkeypatch.setattr(node, "HAND_BACK_SECONDS", 0.05)
    monkeypatch.setattr(node, "hand_back_freed_memory", calls.release)
    make_robot()
    assert all(calls.acquire(timeout=60) for _ in range(3))
