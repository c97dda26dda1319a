"""One answer in a few numbers: a line of answers.jsonl, and what rankings, charts and comparisons are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from instructseq_model.perception import Perception, Task
from instructseq_replay.frames import FrameKey, Header


@dataclass(frozen=True, kw_only=True)
class ScoredAnswer:
    """One instruction on one frame.

    Attributes:
        bag: name of the bag.
        key: the frame.
        stamp_ns: of its header; None if the frame could not be read.
        instruction: id of the instruction.
        problem: why there is no answer; empty if there is one.
        task: of the answer.
        score: geometric mean of its tokens' probabilities, [0, 1].
        confidence: mean over what was marked (over the image for classes, and where nothing was marked), [0, 1]; the
            score of boxes and captions.
        share: of the image that was marked, [0, 1]; None for boxes and captions.
        boxes: corners and score of each, pixels.
        caption: the words.
        quality: against the truth, [0, 1], 1 is perfect; None where there is no truth.
        seconds: the whole of the frame, on the clock.
        cpu_seconds: of all threads of the process, for the whole of the frame; None where the node did the work.
    """

    bag: str
    key: FrameKey
    stamp_ns: int | None
    instruction: str
    problem: str = ""
    task: str | None = None
    score: float | None = None
    confidence: float | None = None
    share: float | None = None
    boxes: tuple[tuple[float, float, float, float, float], ...] = ()
    caption: str | None = None
    quality: float | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None

    def line(self) -> dict[str, Any]:
        """What answers.jsonl holds of it: nothing that a clock had a part in."""
        return {
            "bag": self.bag,
            "topic": self.key.topic,
            "log_ns": self.key.log_ns,
            "nth": self.key.nth,
            "stamp_ns": self.stamp_ns,
            "instruction": self.instruction,
            "problem": self.problem,
            "task": self.task,
            "score": _rounded(self.score),
            "confidence": _rounded(self.confidence),
            "share": _rounded(self.share),
            "boxes": [[round(value, 4) for value in box] for box in self.boxes],
            "caption": self.caption,
            "quality": _rounded(self.quality),
        }


def from_line(line: dict[str, Any]) -> ScoredAnswer:
    """The answer of a line of answers.jsonl."""
    own = {name: line[name] for name in ("bag", "stamp_ns", "instruction", "problem", "task", "score", "confidence")}
    return ScoredAnswer(
        key=FrameKey(line["log_ns"], line["topic"], line["nth"]),
        share=line["share"],
        boxes=tuple(tuple(box) for box in line["boxes"]),
        caption=line["caption"],
        quality=line["quality"],
        **own,
    )


def scored(
    perception: Perception,
    *,
    bag: str,
    key: FrameKey,
    header: Header,
    instruction: str,
    quality: float | None,
    seconds: Mapping[str, float],
) -> ScoredAnswer:
    """An answer in numbers; `seconds` are those of its frame."""
    share, confidence = _map_numbers(perception)
    return ScoredAnswer(
        bag=bag,
        key=key,
        stamp_ns=header.stamp_ns,
        instruction=instruction,
        task=perception.task.value,
        score=perception.score,
        confidence=confidence,
        share=share,
        boxes=tuple((*box.xyxy, box.score) for box in perception.boxes),
        caption=perception.caption,
        quality=quality,
        seconds=seconds.get("total"),
        cpu_seconds=seconds.get("cpu"),
    )


def _map_numbers(perception: Perception) -> tuple[float | None, float]:
    """Share of the image that is marked, and mean confidence."""
    if perception.mask is None:
        return None, max((box.score for box in perception.boxes), default=perception.score)
    if perception.label_set is not None:
        marked = perception.mask != perception.label_set.unlabelled
    else:
        marked = perception.mask > 0
    share = float(marked.mean())
    if perception.confidence is None:
        return share, perception.score
    whole_image = perception.task is Task.SEMANTIC or not marked.any()
    return share, float(
        np.mean(perception.confidence if whole_image else perception.confidence[marked], dtype=np.float64)
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
