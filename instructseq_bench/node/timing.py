"""What became of frames that were sent at a rate: latency, jitter, misses (as ros2_benchmark counts them)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Played:
    """Frames sent at a rate and the answers that came.

    Attributes:
        sent: seconds by the frame's number.
        arrived: seconds by the frame's number; a missed frame is not in it.
    """

    sent: Mapping[int, float]
    arrived: Mapping[int, float]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Of one rate; seconds, NaN where no answer came.

    Attributes:
        latencies: of the frames answered, from sending each to its answer.
        mean, p95, most: of these.
        jitter: mean change between consecutive intervals of answers.
        sent_rate: Hz at which frames were really sent; 0 for fewer than two.
        missed: share of the frames without an answer, in [0, 1].
        frames: how many were sent.
    """

    latencies: tuple[float, ...]
    mean: float
    p95: float
    most: float
    jitter: float
    sent_rate: float
    missed: float
    frames: int


def timing(played: Played) -> Timing:
    """Summarise."""
    latencies = np.array([moment - played.sent[number] for number, moment in played.arrived.items()])
    arrivals, sendings = np.sort(list(played.arrived.values())), np.sort(list(played.sent.values()))
    found = len(latencies) > 0
    changes = np.abs(np.diff(np.diff(arrivals)))
    lasted = float(sendings[-1] - sendings[0]) if len(sendings) > 1 else 0.0
    nothing = float("nan")
    return Timing(
        latencies=tuple(latencies.tolist()),
        mean=float(latencies.mean()) if found else nothing,
        p95=float(np.percentile(latencies, 95)) if found else nothing,
        most=float(latencies.max()) if found else nothing,
        jitter=float(changes.mean()) if len(changes) else nothing,
        sent_rate=(len(sendings) - 1) / lasted if lasted > 0 else 0.0,
        missed=(len(played.sent) - len(played.arrived)) / len(played.sent) if played.sent else 0.0,
        frames=len(played.sent),
    )
