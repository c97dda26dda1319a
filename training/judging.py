"""Judging a model's answers by the truth, as they are and as they are when read from their evidence anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from instructseq_model.classing import ClassEvidence, Classing
from instructseq_model.geometry import map_to_source
from instructseq_model.marking import Evidence, Marking
from instructseq_model.outlining import BoxEvidence, Outlining
from instructseq_model.perception import Perception, Task
from instructseq_training import classing_fit, marking_fit, outlining_fit
from instructseq_training.evaluation.boxes import box_iou, exact_set_accuracy
from instructseq_training.evaluation.cases import Case
from instructseq_training.evaluation.masks import overall_iou

PIXEL_STEP = 3
"""Every third row and column of a map is enough: neighbours say the same."""
WEIGHED = "segmentation weighed"
"""Pixels of masks whose probabilities were fitted and need no curve."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One answer of the model, and what the truth says about it.

    Attributes:
        task: what was answered.
        pairs: name of the curve, certainties, whether each was right.
        absence: the model's own probability that nothing is meant; None where the task refers to nothing.
        worth: of the answer as it is, in [0, 1]: a mask's IoU, whether all boxes are right; an empty one where nothing
            is meant has 1.
        means_nothing: whether nothing is meant.
        marked: of a mask, what it was read from and the pixels that are meant; None without grounding.
        boxed: of boxes, what they were read from and the true ones; None without grounding.
        classed: of a map of classes, what it was read from and the true ids; None without grounding.
    """

    task: Task
    pairs: tuple[tuple[str, ArrayLike, ArrayLike], ...]
    absence: float | None = None
    worth: float = 0.0
    means_nothing: bool = False
    marked: marking_fit.Known | None = None
    boxed: outlining_fit.Known | None = None
    classed: classing_fit.Known | None = None


def judged(case: Case, perception: Perception) -> Judged:
    """A perception's certainties, with the truth about them."""
    task = perception.task
    if task is Task.DETECTION and case.boxes is not None:
        given = np.array([box.xyxy for box in perception.boxes], float).reshape(-1, 4)
        hits = (box_iou(given, case.boxes) >= 0.5).any(1) if len(given) and len(case.boxes) else np.zeros(len(given))
        return Judged(
            task=task,
            pairs=(("detection", [box.score for box in perception.boxes], hits),),
            absence=perception.absence,
            worth=exact_set_accuracy([(given, case.boxes)]),
            means_nothing=len(case.boxes) == 0,
            boxed=(perception.evidence, case.boxes) if isinstance(perception.evidence, BoxEvidence) else None,
        )
    if task is Task.SEGMENTATION and case.mask is not None and perception.mask is not None:
        overlap = overall_iou([(perception.mask.astype(bool), case.mask)])
        return Judged(
            task=task,
            pairs=tuple(_of_pixels(case, perception, overlap)),
            absence=perception.absence,
            worth=overlap,
            means_nothing=not case.mask.any(),
            marked=(perception.evidence, case.mask) if isinstance(perception.evidence, Evidence) else None,
        )
    classed = None
    if isinstance(perception.evidence, ClassEvidence) and case.classes is not None:
        classed = (perception.evidence, case.classes)
    return Judged(task=task, pairs=tuple(_of_pixels(case, perception, 0.0)), classed=classed)


def weighed_anew(answer: Judged, marking: Marking) -> Judged:
    """The same answer with its mask weighed so; an answer that has no mask as it is."""
    if answer.marked is None:
        return answer
    evidence, truth = answer.marked
    mask, confidence, expected = marking.marks(evidence)
    overlap = overall_iou([(mask, truth)])
    grid = np.s_[::PIXEL_STEP, ::PIXEL_STEP]
    pairs: list[tuple[str, ArrayLike, ArrayLike]] = [
        (WEIGHED, confidence[grid].ravel(), (mask == truth)[grid].ravel()),
    ]
    if mask.any():
        pairs.append(("segmentation_score", [expected], [overlap >= 0.5]))
    return replace(answer, pairs=tuple(pairs), worth=overlap)


def outlined_anew(answer: Judged, outlining: Outlining) -> Judged:
    """The same answer with its boxes outlined so; an answer that has none as it is."""
    if answer.boxed is None:
        return answer
    evidence, truth = answer.boxed
    boxes, said = outlining.boxes(evidence)
    placed = evidence.placement.boxes_to_source(boxes) if len(boxes) else boxes
    return replace(
        answer,
        pairs=(("detection", said, outlining_fit.hits(boxes, evidence, truth)),),
        worth=exact_set_accuracy([(placed, truth)]),
    )


def classed_anew(answer: Judged, classing: Classing) -> Judged:
    """The same answer with its classes read so; an answer that has none as it is."""
    if answer.classed is None:
        return answer
    evidence, truth = answer.classed
    ids, probability = classing.classes(evidence)
    grid = np.s_[::PIXEL_STEP, ::PIXEL_STEP]
    given = map_to_source(ids, evidence.placement)[grid]
    said = map_to_source(probability, evidence.placement, method="linear")[grid]
    labelled = truth[grid] < evidence.logits.shape[-1]
    return replace(answer, pairs=(("semantic", said[labelled], (given == truth[grid])[labelled]),))


def _of_pixels(case: Case, perception: Perception, overlap: float) -> Iterator[tuple[str, ArrayLike, ArrayLike]]:
    """Of a map's pixels; of a mask as a whole too."""
    grid = np.s_[::PIXEL_STEP, ::PIXEL_STEP]
    if perception.mask is None or perception.confidence is None:
        return
    confidence = perception.confidence[grid].ravel()
    if perception.task is Task.SEMANTIC and case.classes is not None and perception.label_set is not None:
        true = case.classes[grid].ravel()
        labelled = true < len(perception.label_set.names)
        yield "semantic", confidence[labelled], (perception.mask[grid].ravel() == true)[labelled]
    if perception.task is Task.SEGMENTATION and case.mask is not None:
        mask = perception.mask.astype(bool)
        yield "segmentation", confidence, (mask == case.mask)[grid].ravel()
        if mask.any():
            yield "segmentation_score", [perception.score], [overlap >= 0.5]
