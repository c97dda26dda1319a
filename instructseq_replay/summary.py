"""The numbers of a run: those that depend on frames, instructions and model alone, and those of the clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from instructseq_replay.bags.damage import Damage
from instructseq_replay.scores.scored import ScoredAnswer
from instructseq_replay.scoring import InstructionScores

PERCENTILES = (50, 95, 99)
GAP_FACTOR = 1.8
"""An interval between frames that is so many times the usual one counts as frames lost by the recording."""


def summarise(
    answers: Sequence[ScoredAnswer], scores: Mapping[str, InstructionScores], damage: Sequence[Damage]
) -> dict[str, Any]:
    """Counts, scores with 95 % intervals, and damage; what `json.dumps` takes. Equal answers give equal summaries."""
    frames = {(answer.bag, answer.key) for answer in answers}
    unreadable = {(answer.bag, answer.key) for answer in answers if answer.stamp_ns is None}
    return {
        "frames": len(frames),
        "unreadable_frames": len(unreadable),
        "bags": dict(sorted(Counter(bag for bag, _ in frames).items())),
        "instructions": {
            name: _instruction(one, [answer for answer in answers if answer.instruction == name])
            for name, one in scores.items()
        },
        "damage": [{"file": entry.file, "what": entry.what} for entry in damage],
    }


def _instruction(scores: InstructionScores, answers: Sequence[ScoredAnswer]) -> dict[str, Any]:
    given = [answer for answer in answers if answer.task is not None]
    found: dict[str, Any] = {
        "say": scores.asked.say,
        "meant": scores.asked.meant.value if scores.asked.meant else None,
        "answers": len(given),
        "problems": dict(sorted(Counter(answer.problem for answer in answers if answer.problem).items())),
        "tasks": dict(sorted(Counter(str(answer.task) for answer in given).items())),
        "as_meant": round(scores.as_meant / len(given), 6) if given and scores.asked.meant else None,
        "mean_confidence": _rounded(_mean([answer.confidence for answer in given if answer.confidence is not None])),
        "with_truth": scores.with_truth,
        "scores": {},
    }
    if scores.measure is not None and len(scores.sums):
        measure = scores.measure
        values = measure.scores(scores.sums.total)
        for position, name in enumerate(measure.names):
            interval = scores.sums.interval(lambda sums, at=position: measure.scores(sums)[..., at])  # type: ignore[misc]
            value = float(values[position])
            found["scores"][name] = {
                "value": None if np.isnan(value) else _rounded(value),
                "interval": [_rounded(end) for end in interval] if interval is not None else None,
            }
    return found


def summarise_times(answers: Sequence[ScoredAnswer], *, way: str, lost: int | None = None) -> dict[str, Any]:
    """What the clock had a part in.

    Args:
        answers: all of them.
        way: "offline", or "realtime at ...".
        lost: of a run in real time, frames without an answer.

    Returns:
        `latency_ms`: percentiles of a frame; `frames_a_second` of one model; `cpu_seconds_a_frame`, the mean, and
        `cpu_seconds`, percentiles of a frame; for each camera of each bag `usual_interval_ms`, `gaps`, and
        `live_answers`: how many frames a node of this speed would have answered at the recorded rate.
    """
    seconds = {(answer.bag, answer.key): answer.seconds for answer in answers if answer.seconds is not None}
    cpu = {(answer.bag, answer.key): answer.cpu_seconds for answer in answers if answer.cpu_seconds is not None}
    values = np.array(list(seconds.values()), np.float64) * 1000
    cameras: dict[str, dict[str, Any]] = {}
    # Of a run in real time only answered frames are known; what lies between them is no gap of the recording.
    for (bag, topic), stamps in _times(answers).items() if lost is None else ():
        cost = [seconds.get((bag, key)) or 0.0 for key in stamps]
        cameras[f"{bag} {topic}"] = _camera([key.log_ns for key in stamps], cost)
    return {
        "way": way,
        "latency_ms": _percentiles(values, digits=2),
        "frames_a_second": round(len(values) / (values.sum() / 1000), 3) if len(values) and values.sum() else None,
        "cpu_seconds_a_frame": _rounded(_mean(list(cpu.values()))),
        "cpu_seconds": _percentiles(list(cpu.values()), digits=3),
        "lost": lost,
        "cameras": cameras,
    }


def _percentiles(values: Any, *, digits: int) -> dict[str, float]:
    """By name, as `p50`; nothing of no values."""
    return {f"p{share}": round(float(np.percentile(values, share)), digits) for share in PERCENTILES if len(values)}


def _times(answers: Sequence[ScoredAnswer]) -> dict[tuple[str, str], list[Any]]:
    """The frames of each camera, in the order of their time."""
    keys: dict[tuple[str, str], set[Any]] = {}
    for answer in answers:
        keys.setdefault((answer.bag, answer.key.topic), set()).add(answer.key)
    return {place: sorted(found) for place, found in sorted(keys.items())}


def _camera(times_ns: Sequence[int], cost: Sequence[float]) -> dict[str, Any]:
    intervals = [after - before for before, after in pairwise(times_ns)]
    usual = float(np.median(intervals)) if intervals else None
    gaps = (
        [
            {"after_ns": times_ns[at], "seconds": round(interval / 1e9, 3)}
            for at, interval in enumerate(intervals)
            if interval > GAP_FACTOR * usual
        ]
        if usual
        else []
    )
    return {
        "frames": len(times_ns),
        "usual_interval_ms": round(usual / 1e6, 3) if usual else None,
        "gaps": gaps,
        "live_answers": live_answers(times_ns, cost),
    }


def live_answers(times_ns: Sequence[int], cost: Sequence[float]) -> int:
    """How many frames a node would answer that keeps the newest frame while it works, at these times and costs.

    Args:
        times_ns: when frames come, rising.
        cost: seconds that each one takes.
    """
    free_ns, answered = times_ns[0] if times_ns else 0, 0
    waiting: int | None = None
    for at, now in enumerate(times_ns):
        if waiting is not None and free_ns < now:
            free_ns += round(cost[waiting] * 1e9)
            answered, waiting = answered + 1, None
        if free_ns <= now:
            waiting = None
            free_ns = now + round(cost[at] * 1e9)
            answered += 1
        else:
            waiting = at
    return answered + (waiting is not None)


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
