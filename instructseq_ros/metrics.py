"""Counts, rates, ages and latencies of a running node, for the diagnostics. Nothing here imports ROS."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

WINDOW_SECONDS = 10.0
"""Rates are means over this long."""

LATENCIES_KEPT = 200
"""Percentiles are of this many answers, or frames, at most."""

STAGES = ("convert", "encode", "decode", "publish", "total")
"""What latencies are kept of. `total` runs from when frame and instruction were there until the answer is published."""

Percentiles = tuple[float, float, float]
"""p50, p95 and p99, in seconds."""


class Drop(str, Enum):
    """Why a frame was not answered."""

    REPLACED = "a newer frame came"
    LATE = "its stamp was older than that of the frame before"
    UNUSABLE = "it was no image that can be used, or the model failed"
    UNWANTED = "its instruction was replaced or ended meanwhile"


@dataclass(frozen=True, kw_only=True)
class CameraSnapshot:
    """One camera's counters.

    Attributes:
        frames: that came.
        rate: frames per second.
        age: of the frames when they came, by their stamps and the node's clock; None before the first.
        drops: frames without an answer, by cause.
        seconds_since_frame: None if there was none.
    """

    frames: int = 0
    rate: float = 0.0
    age: Percentiles | None = None
    drops: Mapping[Drop, int] = field(default_factory=dict)
    seconds_since_frame: float | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The state of a node's counters at one moment.

    Attributes:
        cameras: by name.
        answers: instructions carried out, standing ones and goals together.
        answer_rate: answers per second.
        latency: by stage; only stages that were measured.
        errors: frames, instructions and goals that could not be used.
        failures: errors since the last answer.
        last_error: its message, empty if there was none.
        last_error_at: its moment, in seconds since 1970; None if there was none.
        seconds_since_error: None if there was none.
    """

    cameras: Mapping[str, CameraSnapshot]
    answers: int
    answer_rate: float
    latency: Mapping[str, Percentiles]
    errors: int
    failures: int
    last_error: str
    last_error_at: float | None
    seconds_since_error: float | None

    @property
    def frames(self) -> int:
        """Frames of all cameras."""
        return sum(camera.frames for camera in self.cameras.values())

    def dropped(self, cause: Drop) -> int:
        """Frames of all cameras that were not answered for this reason."""
        return sum(camera.drops.get(cause, 0) for camera in self.cameras.values())


class _Camera:
    """What is counted of one camera."""

    def __init__(self) -> None:
        self.frames = 0
        self.times: deque[float] = deque(maxlen=10_000)
        self.ages: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self.drops: dict[Drop, int] = {}
        self.last: float | None = None

    def snapshot(self, now: float, span: float) -> CameraSnapshot:
        return CameraSnapshot(
            frames=self.frames,
            rate=_within(self.times, now) / span,
            age=_percentiles(self.ages),
            drops=dict(self.drops),
            seconds_since_frame=_since(self.last, now),
        )


class Metrics:
    """Counters that several threads write and one reads. All that is kept is bounded.

    Args:
        clock: monotonic, in seconds.
        calendar: seconds since 1970.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, calendar: Callable[[], float] = time.time
    ) -> None:
        self._clock, self._calendar = clock, calendar
        self._lock = threading.Lock()
        self._started = clock()
        self._cameras: dict[str, _Camera] = {}
        self._answers = self._errors = self._failures = 0
        self._answer_times: deque[float] = deque(maxlen=10_000)
        self._latencies: dict[str, deque[float]] = {stage: deque(maxlen=LATENCIES_KEPT) for stage in STAGES}
        self._last_error = ""
        self._last_error_time: float | None = None
        self._last_error_at: float | None = None

    def watch(self, cameras: tuple[str, ...]) -> None:
        """Count these cameras from now on; others are forgotten."""
        with self._lock:
            self._cameras = {name: self._cameras.get(name) or _Camera() for name in cameras}

    def frame(self, camera: str, *, age: float | None = None) -> None:
        """A frame came, `age` seconds after its stamp."""
        with self._lock:
            counted = self._camera(camera)
            counted.frames += 1
            counted.last = self._clock()
            counted.times.append(counted.last)
            if age is not None:
                counted.ages.append(age)

    def drop(self, camera: str, cause: Drop) -> None:
        """A frame will not be answered."""
        with self._lock:
            drops = self._camera(camera).drops
            drops[cause] = drops.get(cause, 0) + 1

    def answer(self, **seconds: float) -> None:
        """An instruction was carried out; how long its stages took."""
        with self._lock:
            self._answers += 1
            self._failures = 0
            self._answer_times.append(self._clock())
            for stage, value in seconds.items():
                self._latencies[stage].append(value)

    def error(self, message: str) -> None:
        """A frame, an instruction or a goal could not be used."""
        with self._lock:
            self._errors += 1
            self._failures += 1
            self._last_error, self._last_error_time = message, self._clock()
            self._last_error_at = self._calendar()

    def snapshot(self) -> Snapshot:
        """The counters now."""
        with self._lock:
            now = self._clock()
            span = max(min(WINDOW_SECONDS, now - self._started), 1e-3)
            latency = {stage: _percentiles(values) for stage, values in self._latencies.items()}
            return Snapshot(
                cameras={name: camera.snapshot(now, span) for name, camera in self._cameras.items()},
                answers=self._answers,
                answer_rate=_within(self._answer_times, now) / span,
                latency={stage: found for stage, found in latency.items() if found is not None},
                errors=self._errors,
                failures=self._failures,
                last_error=self._last_error,
                last_error_at=self._last_error_at,
                seconds_since_error=_since(self._last_error_time, now),
            )

    def _camera(self, name: str) -> _Camera:
        """A camera that is watched; what comes of others is not kept."""
        return self._cameras.get(name) or _Camera()


def _percentiles(values: deque[float]) -> Percentiles | None:
    if not values:
        return None
    p50, p95, p99 = np.percentile(np.array(values), (50, 95, 99)).tolist()
    return p50, p95, p99


def _within(times: deque[float], now: float) -> int:
    """How many of these times lie within the window; older ones are forgotten."""
    while times and times[0] < now - WINDOW_SECONDS:
        times.popleft()
    return len(times)


def _since(moment: float | None, now: float) -> float | None:
    return None if moment is None else now - moment
