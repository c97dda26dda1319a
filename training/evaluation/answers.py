"""What a model answers to a case, asked through the `Perceiver` that robots use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructseq_model.errors import InstructionError
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Perception, Task
from instructseq_training.evaluation.cases import Case


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a method says to a case, in the image's pixels; None where it says nothing of that sort.

    Attributes:
        task: what it took the instruction for.
        mask: H x W, of referring answers.
        boxes: K x 4 pixels, best first.
        classes: H x W ids of `label_set`.
        label_set: name of the label set of `classes`.
        caption: the words.
        confidence: H x W in [0, 1], of the maps' pixels.
    """

    task: Task | None = None
    mask: NDArray[np.bool_] | None = None
    boxes: NDArray[np.float64] | None = None
    classes: NDArray[np.integer] | None = None
    label_set: str | None = None
    caption: str | None = None
    confidence: NDArray[np.float32] | None = None


def ask(perceiver: Perceiver, case: Case, *, samples: int = 1, temperature: float | None = None) -> Answer:
    """Ask the model; it chooses the task itself. An instruction it refuses is answered by nothing.

    Args:
        perceiver: the model.
        case: image and instruction.
        samples: sequences drawn and aggregated.
        temperature: of sampling; None for the `Perceiver`'s default.
    """
    try:
        return answer_of(perceiver(case.image, case.instruction, samples=samples, temperature=temperature))
    except InstructionError:
        return Answer()


def answer_of(perception: Perception) -> Answer:
    """The part of a perception that belongs to its task."""
    boxes = np.array([box.xyxy for box in perception.boxes], float).reshape(-1, 4)
    mask, semantic = perception.mask, perception.task is Task.SEMANTIC
    return Answer(
        task=perception.task,
        mask=mask.astype(bool) if mask is not None and perception.task is Task.SEGMENTATION else None,
        boxes=boxes if perception.task is Task.DETECTION else None,
        classes=mask if semantic else None,
        label_set=perception.label_set.name if semantic and perception.label_set is not None else None,
        caption=perception.caption,
        confidence=perception.confidence if mask is not None else None,
    )
