"""One measure a kind of truth: an answer becomes a row of numbers, and summed rows become scores.

The first score of each measure also stands for a single answer: 1 is perfect, 0 is wrong. Adding rows is all that is
needed for many bags, several machines and bootstrap intervals alike.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from instructseq_model.label_sets import label_set
from instructseq_model.perception import Perception, Task
from instructseq_replay.instructions import Asked
from instructseq_replay.truth.truth import Truth, boxes_around
from instructseq_training.evaluation.boxes import box_iou
from instructseq_training.evaluation.masks import confusion_matrix, mask_areas

Row = NDArray[np.float64]

FOUND_AT = 0.5
"""IoU from which a box or a mask counts as found."""


class Measure(Protocol):
    """How answers to one instruction are scored."""

    names: tuple[str, ...]
    """Of the scores; the first is the one that ranks answers."""

    needs: str
    """The field of `Truth` that it compares with."""

    def row(self, answer: Perception | None, truth: Truth) -> Row | None:
        """What an answer adds to the sums; None where the truth does not allow a comparison.

        Args:
            answer: None where there is none, or one of another task than was meant.
            truth: of the same frame.
        """
        ...

    def scores(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Summed rows, ... x D, as scores in [0, 1], ... x number of `names`; NaN where there is nothing to score."""
        ...


class MaskMeasure:
    """Masks of things referred to. `no_target`: of the frames without the thing, those in which none was marked."""

    names: tuple[str, ...] = ("mean_iou", "overall_iou", "above_half", "no_target")
    needs = "mask"

    def row(self, answer: Perception | None, truth: Truth) -> Row | None:
        """[1, IoU, intersection, union, found, without target, rightly empty]."""
        if truth.mask is None:
            return None
        given = np.zeros_like(truth.mask) if answer is None or answer.mask is None else answer.mask > 0
        if given.shape != truth.mask.shape:
            return None
        intersection, union, area = mask_areas(given, truth.mask)
        iou = intersection / union if union else 1.0
        empty = area == 0
        return np.array([1, iou, intersection, union, iou >= FOUND_AT, empty, empty and union == 0], np.float64)

    def scores(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `names`."""
        count, iou, intersection, union, found, without, empty = np.moveaxis(sums, -1, 0)
        parts = [_share(iou, count), _share(intersection, union), _share(found, count), _share(empty, without)]
        return np.stack(parts, axis=-1)


class BoxMeasure:
    """Boxes; of an answer that is a mask, the box around it. `exact`: neither a box too many nor one too few."""

    names: tuple[str, ...] = ("mean_iou", "recall", "precision", "exact")
    needs = "boxes"

    def row(self, answer: Perception | None, truth: Truth) -> Row | None:
        """[1, mean IoU, hits, true boxes, boxes given, exact]."""
        if truth.boxes is None:
            return None
        given = given_boxes(answer)
        iou = box_iou(given, truth.boxes)  # K x M
        hits = matched(iou)
        if len(truth.boxes):
            mean = float(iou.max(0).mean()) if len(given) else 0.0
        else:
            mean = float(len(given) == 0)
        exact = len(given) == len(truth.boxes) == hits
        return np.array([1, mean, hits, len(truth.boxes), len(given), exact], np.float64)

    def scores(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `names`."""
        count, iou, hits, true, given, exact = np.moveaxis(sums, -1, 0)
        parts = [_share(iou, count), _share(hits, true), _share(hits, given), _share(exact, count)]
        return np.stack(parts, axis=-1)


class ClassMeasure:
    """Maps of all classes of one label set.

    Args:
        name: of the label set.
    """

    names: tuple[str, ...] = ("mean_iou", "pixel_accuracy")
    needs = "classes"

    def __init__(self, name: str) -> None:
        self._known = label_set(name)

    def row(self, answer: Perception | None, truth: Truth) -> Row | None:
        """The confusion matrix, flat."""
        if truth.classes is None:
            return None
        given = np.full(truth.classes.shape, self._known.unlabelled)
        fits = answer is not None and answer.label_set is not None and answer.label_set.names == self._known.names
        if fits and answer is not None and answer.mask is not None and answer.mask.shape == given.shape:
            given = answer.mask
        matrix = confusion_matrix(given, truth.classes, classes=len(self._known.names))
        return matrix.astype(np.float64).ravel()

    def scores(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `names`."""
        classes = len(self._known.names)
        matrix = sums.reshape(*sums.shape[:-1], classes, classes + 1)
        hits = np.diagonal(matrix, axis1=-2, axis2=-1)  # ... x C
        true = matrix.sum(-1)
        union = true + matrix[..., :-1].sum(-2) - hits
        iou = _share(hits, union)
        known = ~np.isnan(iou)
        mean = _share(np.where(known, iou, 0).sum(-1), known.sum(-1).astype(np.float64))
        return np.stack([mean, _share(hits.sum(-1), true.sum(-1))], axis=-1)


class CaptionMeasure:
    """Captions: the share of the names in view that they mention, by the last word of each name."""

    names: tuple[str, ...] = ("names_mentioned",)
    needs = "names"

    def row(self, answer: Perception | None, truth: Truth) -> Row | None:
        """[names mentioned, names in view]."""
        if not truth.names:
            return None
        caption = (answer.caption or "") if answer is not None else ""
        words = {word.strip(".,;:!?").lower() for word in caption.split()}
        heads = {name.split()[-1].lower() for name in truth.names if name.split()}
        return np.array([sum(bool({head, f"{head}s"} & words) for head in heads), len(heads)], np.float64)

    def scores(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `names`."""
        return _share(sums[..., :1], sums[..., 1:])


def measure_for(asked: Asked, gives: frozenset[str]) -> Measure | None:
    """How an instruction is scored with what the sources of truth give; None if they do not allow it.

    A mask is compared with boxes by the box around it where no masks are known.
    """
    if asked.meant is None:
        return None
    measures: dict[Task, tuple[Measure, ...]] = {
        Task.SEGMENTATION: (MaskMeasure(), BoxMeasure()),
        Task.DETECTION: (BoxMeasure(),),
        Task.SEMANTIC: (ClassMeasure(asked.label_set or "household"),),
        Task.CAPTION: (CaptionMeasure(),),
    }
    return next((measure for measure in measures[asked.meant] if measure.needs in gives), None)


def given_boxes(answer: Perception | None) -> NDArray[np.float64]:
    """The boxes of an answer, K x 4; of a mask, the box around it."""
    if answer is None:
        return np.zeros((0, 4))
    if answer.task is Task.SEGMENTATION and answer.mask is not None:
        return boxes_around([answer.mask > 0])
    return np.array([box.xyxy for box in answer.boxes], np.float64).reshape(-1, 4)


def matched(iou: NDArray[np.float64]) -> int:
    """How many pairs remain when boxes are paired off, the best overlap first. `iou` is K x M."""
    left, count = iou.copy(), 0
    while left.size and left.max() >= FOUND_AT:
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        left[row], left[:, column], count = -1, -1, count + 1
    return count


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Part over whole, NaN where the whole is 0."""
    shares = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares
