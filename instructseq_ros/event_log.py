"""The node's log: one line an event, `name key=value ...`, and no more of a kind than a person can read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Literal

Severity = Literal["info", "warning", "error"]


class EventLog:
    """Writes events; within a period only the first of each kind, with the number of those left out on the next.

    Args:
        logger: of rclpy, or anything with its methods.
        period: asked for the seconds.
        clock: monotonic, in seconds.
    """

    def __init__(
        self, logger: Any, *, period: Callable[[], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger, self._period, self._clock = logger, period, clock
        self._lock = threading.Lock()
        self._written: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def write(self, severity: Severity, event: str, **facts: object) -> None:
        """Write an event, unless one of its kind was written just now.

        Args:
            severity: of the log.
            event: its kind, in snake_case, out of a fixed set.
            facts: by name; texts with spaces are quoted.
        """
        with self._lock:
            now = self._clock()
            last = self._written.get(event)
            if last is not None and now - last < self._period():
                self._left_out[event] = self._left_out.get(event, 0) + 1
                return
            self._written[event] = now
            left_out = self._left_out.pop(event, 0)
        if left_out:
            facts["left_out"] = left_out
        words = " ".join([event, *(f"{name}={_shown(value)}" for name, value in facts.items())])
        # One call a severity: rclpy ties each place that calls it to the severity of its first call.
        if severity == "error":
            self._logger.error(words)
        elif severity == "warning":
            self._logger.warning(words)
        else:
            self._logger.info(words)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    words = " ".join(str(value).split())
    return f'"{words}"' if " " in words or not words else words
