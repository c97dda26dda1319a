"""Tells when the system's clock was set. Nothing here imports ROS."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LOOK_SECONDS = 1.0

LEAST_STEP = 0.1
"""Seconds; what NTP does to the clock's pace is no step, since the monotonic clock keeps the same pace."""


def system_clock_ahead() -> float:
    """Seconds that the system's clock is ahead of the monotonic one: they change when it is set."""
    return time.time() - time.monotonic()


class ClockWatch:
    """Compares the clocks in a thread of its own.

    Fast DDS, built for a C library before 2.30 as in the wheels, waits until a moment of the system's clock: a wait
    under way when that is set back by an hour lasts an hour longer, unless something comes in. Whoever waits is to be
    woken then.

    Args:
        on_step: told the seconds that the clock was set forward by, in this thread; must not raise.
        ahead: seconds of the system's clock ahead of one that nobody sets.
        period: seconds after which it looks again.
    """

    def __init__(
        self,
        *,
        on_step: Callable[[float], None],
        ahead: Callable[[], float] = system_clock_ahead,
        period: float = LOOK_SECONDS,
    ) -> None:
        self._on_step, self._ahead, self._period = on_step, ahead, period
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="instructseq-clock", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; a second call does nothing."""
        self._ended.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _look(self) -> None:
        before = self._ahead()
        while not self._ended.wait(self._period):
            now = self._ahead()
            if abs(now - before) > LEAST_STEP:
                self._on_step(now - before)
            before = now
