"""Memory that a thread has freed goes back to the system."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor

import pytest

from instructseq_ros.device_health import device_health
from instructseq_ros.freed_memory import hand_back_freed_memory

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
