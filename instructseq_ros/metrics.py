"""Counts, rates and latencies of a running node, for the diagnostics."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

WINDOW_SECONDS = 10.0
"""Rates are means over this long."""

LATENCIES_KEPT = 200
"""Percentiles are of this many answers at most."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The state of a node's counters at one moment.

    Attributes:
        frames: frames that came.
        replaced: frames that a newer one replaced before the model got to them.
        answers: instructions carried out, standing ones and goals together.
        errors: frames and instructions that could not be used.
        frame_rate: frames per second.
        answer_rate: answers per second.
        latency: p50, p95 and p99 of the seconds to an answer, from when its frame and its instruction were there; None
            before the first.
        last_error: its message, empty if there was none.
        seconds_since_error: None if there was none.
        seconds_since_frame: None if there was none.
    """

    frames: int
    replaced: int
    answers: int
    errors: int
    frame_rate: float
    answer_rate: float
    latency: tuple[float, float, float] | None
    last_error: str
    seconds_since_error: float | None
    seconds_since_frame: float | None


class Metrics:
    """Counters that several threads write and one reads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._started = clock()
        self._frames = self._replaced = self._answers = self._errors = 0
        self._frame_times: deque[float] = deque(maxlen=10_000)
        self._answer_times: deque[float] = deque(maxlen=10_000)
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._last_error = ""
        self._last_error_time: float | None = None
        self._last_frame_time: float | None = None

    def frame(self) -> None:
        """A frame came."""
        with self._lock:
            self._frames += 1
            self._last_frame_time = self._clock()
            self._frame_times.append(self._last_frame_time)

    def replaced(self) -> None:
        """A frame was replaced by a newer one before the model got to it."""
        with self._lock:
            self._replaced += 1

    def answer(self, latency: float) -> None:
        """An instruction was carried out, `latency` seconds after it and its frame were there."""
        with self._lock:
            self._answers += 1
            self._answer_times.append(self._clock())
            self._latencies.append(latency)

    def error(self, message: str) -> None:
        """A frame or an instruction could not be used."""
        with self._lock:
            self._errors += 1
            self._last_error, self._last_error_time = message, self._clock()

    def snapshot(self) -> Snapshot:
        """The counters now."""
        with self._lock:
            now = self._clock()
            span = max(min(WINDOW_SECONDS, now - self._started), 1e-3)
            latency = None
            if self._latencies:
                p50, p95, p99 = np.percentile(np.array(self._latencies), (50, 95, 99)).tolist()
                latency = (p50, p95, p99)
            return Snapshot(
                frames=self._frames,
                replaced=self._replaced,
                answers=self._answers,
                errors=self._errors,
                frame_rate=_within(self._frame_times, now) / span,
                answer_rate=_within(self._answer_times, now) / span,
                latency=latency,
                last_error=self._last_error,
                seconds_since_error=_since(self._last_error_time, now),
                seconds_since_frame=_since(self._last_frame_time, now),
            )


def _within(times: deque[float], now: float) -> int:
    """How many of these times lie within the window; older ones are forgotten."""
    while times and times[0] < now - WINDOW_SECONDS:
        times.popleft()
    return len(times)


def _since(moment: float | None, now: float) -> float | None:
    return None if moment is None else now - moment
