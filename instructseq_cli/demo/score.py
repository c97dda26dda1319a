"""Answers against truth: the few numbers of the demo's summary. Training's evaluation has the full set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

CornerBox = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""

ScoredBoxes = Sequence[tuple[CornerBox, float]]


def overlap(answer: NDArray[Any], truth: NDArray[Any]) -> tuple[int, int]:
    """Pixels in both masks and pixels in either one; both masks H x W, true where not zero."""
    found, wanted = answer > 0, truth > 0
    return int(np.count_nonzero(found & wanted)), int(np.count_nonzero(found | wanted))


def overall_iou(overlaps: Sequence[tuple[int, int]]) -> float | None:
    """Sum of intersections over sum of unions (oIoU); None without any answer, 1 if all masks are rightly empty."""
    if not overlaps:
        return None
    union = sum(pair[1] for pair in overlaps)
    return sum(pair[0] for pair in overlaps) / union if union else 1.0


def box_iou(first: CornerBox, second: CornerBox) -> float:
    """Intersection over union of two boxes; 0 if either has no area."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return width * height / (areas - width * height)


def average_precision(
    answers: Sequence[tuple[ScoredBoxes, Sequence[CornerBox]]], *, threshold: float = 0.5
) -> float | None:
    """Average precision of boxes at one IoU threshold, with the area under the interpolated curve (VOC 2010).

    Args:
        answers: for each picture the boxes found with their scores, and the true boxes.
        threshold: IoU from which a box counts as found.

    Returns:
        In [0, 1]; None where there is no true box.
    """
    total = sum(len(truth) for _, truth in answers)
    if total == 0:
        return None
    ranked = sorted(
        ((score, picture, box) for picture, (found, _) in enumerate(answers) for box, score in found),
        key=lambda entry: -entry[0],
    )
    taken: set[tuple[int, int]] = set()
    hits = np.zeros(len(ranked))
    for rank, (_, picture, box) in enumerate(ranked):
        overlaps = [
            (box_iou(box, true), index)
            for index, true in enumerate(answers[picture][1])
            if (picture, index) not in taken
        ]
        best, index = max(overlaps, default=(0.0, -1))
        if best >= threshold:
            taken.add((picture, index))
            hits[rank] = 1.0
    return _area_under(hits, total)


def _area_under(hits: NDArray[np.float64], total: int) -> float:
    """Area under precision over recall; `hits` is 1 where the box of that rank is right."""
    if not len(hits):
        return 0.0
    right = np.cumsum(hits)
    precision = np.maximum.accumulate((right / np.arange(1, len(hits) + 1))[::-1])[::-1]
    steps = np.diff(np.concatenate([[0.0], right / total]))
    return float((precision * steps).sum())


def mean_class_iou(pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]], *, classes: int) -> float | None:
    """Mean IoU over the classes that occur in the truth.

    Args:
        pairs: class ids found and true ones, each H x W; ids from `classes` on count as unlabelled.
        classes: number of classes.

    Returns:
        In [0, 1]; None without any pair.
    """
    counts = np.zeros((classes + 1, classes + 1), np.int64)  # truth x answer
    for answer, truth in pairs:
        flat = np.minimum(truth, classes).astype(np.int64) * (classes + 1) + np.minimum(answer, classes)
        counts += np.bincount(flat.ravel(), minlength=counts.size).reshape(counts.shape)
    intersection = np.diag(counts)[:classes]
    union = counts.sum(1)[:classes] + counts.sum(0)[:classes] - intersection
    present = counts.sum(1)[:classes] > 0
    return float((intersection[present] / union[present]).mean()) if present.any() else None


def names_mentioned(caption: str, names: Sequence[str]) -> list[str]:
    """The names whose last word (the head of an English noun phrase) a caption mentions, without doubles."""
    words = {word.strip(".,;:!?").lower() for word in caption.split()}
    unique = sorted(set(names))
    return [name for name in unique if {name.split()[-1].lower(), name.split()[-1].lower() + "s"} & words]


def percentile(values: Sequence[float], share: float) -> float | None:
    """The percentile by linear interpolation; None without values. `share` is 50 for the median."""
    return float(np.percentile(values, share)) if values else None
