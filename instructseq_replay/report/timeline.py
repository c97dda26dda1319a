"""A recording at one glance: a row of cells from its first to its last frame, coloured by the worst answer of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from instructseq_model.overlay import heat_colours
from instructseq_replay.scores.scored import ScoredAnswer

MOST_CELLS = 240


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A stretch of time.

    Attributes:
        left, width: in percent of the row.
        colour: of its worst answer, "#rrggbb"; "" where frames have no answer.
        sure: colour of the mean confidence; "" without any.
        words: for the pointer resting on it.
        anchor: of the card that shows its worst frame; "" without one.
    """

    left: float
    width: float
    colour: str
    sure: str
    words: str
    anchor: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One camera of one bag: its cells, and its length in seconds."""

    name: str
    seconds: float
    cells: tuple[Cell, ...]


def rows_of(answers: Sequence[ScoredAnswer], anchors: dict[ScoredAnswer, str]) -> list[Row]:
    """The rows of one instruction.

    Args:
        answers: of the instruction, all bags.
        anchors: cards by the answer that they show.
    """
    cameras: dict[tuple[str, str], list[ScoredAnswer]] = {}
    for answer in answers:
        cameras.setdefault((answer.bag, answer.key.topic), []).append(answer)
    return [_row(f"{bag} {topic}", sorted(own, key=_time), anchors) for (bag, topic), own in sorted(cameras.items())]


def _time(answer: ScoredAnswer) -> int:
    return answer.key.log_ns


def _row(name: str, answers: list[ScoredAnswer], anchors: dict[ScoredAnswer, str]) -> Row:
    times = np.array([answer.key.log_ns for answer in answers], np.float64)
    usual = float(np.median(np.diff(times))) if len(times) > 1 else 1e8
    start, length = times[0], times[-1] - times[0] + max(usual, 1.0)
    count = int(min(MOST_CELLS, max(1, round(length / max(usual, 1.0)))))
    numbers = np.minimum(((times - start) / length * count + 1e-6).astype(int), count - 1)
    cells = []
    for number in sorted(set(numbers.tolist())):
        own = [answer for answer, at in zip(answers, numbers, strict=True) if at == number]
        cells.append(_cell(own, number, count, start, anchors))
    return Row(name=name, seconds=length / 1e9, cells=tuple(cells))


def _cell(own: list[ScoredAnswer], number: int, count: int, start: float, anchors: dict[ScoredAnswer, str]) -> Cell:
    worst = min(own, key=badness)
    value = value_of(worst)
    confidence = [answer.confidence for answer in own if answer.confidence is not None]
    words = [f"{(worst.key.log_ns - start) / 1e9:.1f} s"]
    if worst.quality is not None:
        words.append(f"quality {worst.quality:.2f}")
    if worst.confidence is not None:
        words.append(f"confidence {worst.confidence:.2f}")
    if worst.problem:
        words.append(worst.problem)
    if len(own) > 1:
        words.append(f"worst of {len(own)} frames")
    return Cell(
        left=100 * number / count,
        width=100 / count,
        colour=colour_of(value) if value is not None else "",
        sure=colour_of(sum(confidence) / len(confidence)) if confidence else "",
        words=" · ".join(words),
        anchor=next((anchors[answer] for answer in own if answer in anchors), ""),
    )


def value_of(answer: ScoredAnswer) -> float | None:
    """What colours an answer: its quality, or its confidence where there is no truth; None without an answer."""
    if answer.quality is not None:
        return answer.quality
    return answer.confidence


def badness(answer: ScoredAnswer) -> tuple[float, float]:
    """Sorts the worst answer first: none at all, then low quality, and among equals the one that was surest."""
    value = value_of(answer)
    if value is None:
        return (-1.0, 0.0)
    return (value, -(answer.confidence or 0.0) if answer.quality is not None else 0.0)


def colour_of(value: float) -> str:
    """The heat map's colour of a value in [0, 1], "#rrggbb"."""
    red, green, blue = heat_colours()[round(255 * min(max(value, 0.0), 1.0))].tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"
