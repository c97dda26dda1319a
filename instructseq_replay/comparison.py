"""Two runs over the same frames, such as two checkpoints: the difference of their answers, pair by pair."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_model.errors import ConfigError
from instructseq_replay.frames import FrameKey
from instructseq_replay.run_folder import RunFolder
from instructseq_replay.scores.blocks import BlockSums, block_of
from instructseq_replay.scores.scored import ScoredAnswer, from_line


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One instruction in both runs; the other run is the one before, this one the one after.

    Attributes:
        instruction: its id.
        what: "quality" (against the truth, [0, 1]) or "confidence".
        pairs: frames that both runs answered.
        before: mean over the pairs.
        after: likewise.
        interval: 95 % interval of `after - before`, by drawing stretches of time; None where there are too few.
        better, worse: pairs that changed by more than `CHANGE`.
    """

    instruction: str
    what: str
    pairs: int
    before: float
    after: float
    interval: tuple[float, float] | None
    better: int
    worse: int

    @property
    def verdict(self) -> str:
        """Whether the difference can be told from chance, in a few words."""
        if self.interval is None:
            return "too few frames to tell"
        if self.interval[0] > 0:
            return "higher"
        return "lower" if self.interval[1] < 0 else "no clear difference"


CHANGE = 0.05
"""Answers of a pair that differ by less count as the same."""


def read_answers(folder: Path) -> list[ScoredAnswer]:
    """The answers of a finished run.

    Raises:
        ConfigError: the folder holds none.
    """
    path = RunFolder(folder).answers
    try:
        return [from_line(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        raise ConfigError(f"{folder} holds no finished run: name the --out folder of one") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is damaged ({error!r}): run that replay again, which redoes no frame") from None


def compare(before: Sequence[ScoredAnswer], after: Sequence[ScoredAnswer]) -> list[Difference]:
    """The differences of two runs, instruction by instruction.

    Frames and instructions that only one of them has are left out.

    Raises:
        ConfigError: they have no frame in common.
    """
    old = {_place(answer): answer for answer in before}
    pairs = [(old[place], answer) for answer in after if (place := _place(answer)) in old]
    if not pairs:
        raise ConfigError("the two runs have no frame and instruction in common: compare runs over the same bags")
    differences = []
    for name in dict.fromkeys(answer.instruction for _, answer in pairs):
        own = [pair for pair in pairs if pair[1].instruction == name]
        for what in ("quality", "confidence"):
            difference = _difference(name, what, own)
            if difference is not None:
                differences.append(difference)
    return differences


def _place(answer: ScoredAnswer) -> tuple[str, FrameKey, str]:
    return answer.bag, answer.key, answer.instruction


def _difference(name: str, what: str, pairs: Sequence[tuple[ScoredAnswer, ScoredAnswer]]) -> Difference | None:
    sums = BlockSums()
    changes = []
    for old, new in pairs:
        first, second = getattr(old, what), getattr(new, what)
        if first is not None and second is not None:
            sums.add(block_of(new.bag, new.key), np.array([1.0, first, second]))
            changes.append(second - first)
    if not changes:
        return None
    count, first, second = sums.total.tolist()
    return Difference(
        instruction=name,
        what=what,
        pairs=int(count),
        before=first / count,
        after=second / count,
        interval=sums.interval(_mean_change),
        better=sum(change > CHANGE for change in changes),
        worse=sum(change < -CHANGE for change in changes),
    )


def _mean_change(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of summed [count, before, after], ... x 3."""
    change: NDArray[np.float64] = (sums[..., 2] - sums[..., 1]) / np.maximum(sums[..., 0], 1)
    return change


def as_json(differences: Sequence[Difference]) -> list[dict[str, Any]]:
    """What `json.dumps` takes."""
    return [
        {
            "instruction": one.instruction,
            "what": one.what,
            "pairs": one.pairs,
            "before": round(one.before, 6),
            "after": round(one.after, 6),
            "interval": [round(end, 6) for end in one.interval] if one.interval else None,
            "verdict": one.verdict,
            "better": one.better,
            "worse": one.worse,
        }
        for one in differences
    ]
