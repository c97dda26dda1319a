"""Scores of boxes: accuracy at an IoU for one box an expression, average precision and exact sets for many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_RECALLS = np.linspace(0, 1, 101)
"""Where COCO reads the precision-recall curve."""


@dataclass(frozen=True, kw_only=True)
class ScoredBoxes:
    """What was predicted for one expression and what is true.

    Attributes:
        boxes: N x 4 (x1, y1, x2, y2), any one unit.
        scores: N, higher is surer.
        targets: M x 4 in the same unit; M = 0 where nothing is meant.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    targets: NDArray[np.float64]


def as_boxes(boxes: ArrayLike) -> NDArray[np.float64]:
    """Boxes as N x 4 float64; an empty list gives 0 x 4.

    Raises:
        ValueError: it is no list of four numbers each.
    """
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes must be N x 4 (x1, y1, x2, y2), got {array.shape}")
    return array


def box_iou(one: ArrayLike, other: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of every pair of boxes.

    Args:
        one: N x 4 (x1, y1, x2, y2).
        other: M x 4.

    Returns:
        N x M, in [0, 1]. A box without area has IoU 0 with everything.
    """
    a, b = as_boxes(one)[:, None], as_boxes(other)[None]  # N x 1 x 4, 1 x M x 4
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])  # N x M x 2
    intersection = sides.clip(min=0).prod(-1)
    union = _area(a) + _area(b) - intersection
    iou: NDArray[np.float64] = np.zeros(intersection.shape)
    np.divide(intersection, union, out=iou, where=union > 0)
    return iou


def accuracy_at_iou(pairs: Iterable[tuple[ArrayLike | None, ArrayLike]], *, threshold: float = 0.5) -> float:
    """Share of expressions whose one predicted box overlaps the true one enough: REC's acc@0.5, the paper's AP50.

    Args:
        pairs: (predicted box or None, true box), four numbers each.
        threshold: smallest IoU that counts as right, in (0, 1].

    Raises:
        ValueError: there is no pair.
    """
    right = [
        predicted is not None and box_iou(np.atleast_2d(predicted), np.atleast_2d(true))[0, 0] >= threshold
        for predicted, true in pairs
    ]
    if not right:
        raise ValueError("there is nothing to score: give at least one pair of boxes")
    return float(np.mean(right))


def average_precision(samples: Sequence[ScoredBoxes], *, threshold: float = 0.5) -> float:
    """COCO's average precision at one IoU, all boxes of one class, 101 recall points; in [0, 1].

    Predictions take, surest first, the free true box that they overlap most.

    Raises:
        ValueError: no sample has a true box.
    """
    total = sum(len(as_boxes(sample.targets)) for sample in samples)
    if total == 0:
        raise ValueError("average precision needs at least one true box")
    scores = np.concatenate([np.sort(sample.scores)[::-1] for sample in samples])
    hits = np.concatenate([_hits(sample, threshold) for sample in samples])
    hits = hits[np.argsort(-scores, kind="stable")]
    recall = hits.cumsum() / total
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]  # the best precision at this recall or a higher one
    at = np.searchsorted(recall, _RECALLS, side="left")
    return float(np.append(precision, 0.0)[at].mean())


def exact_set_accuracy(pairs: Iterable[tuple[ArrayLike, ArrayLike]], *, threshold: float = 0.5) -> float:
    """Share of expressions for which the predicted boxes are the true ones, no more and no less.

    This is generalised REC's "Precision@(F1=1, IoU>=0.5)": every predicted box has a true box of its own. Where nothing
    is meant, no box is right.

    Args:
        pairs: (predicted N x 4, true M x 4); either may be empty.
        threshold: smallest IoU that counts as right, in (0, 1].

    Raises:
        ValueError: there is no pair.
    """
    right = [
        len(as_boxes(predicted)) == len(as_boxes(true)) == _matched(box_iou(predicted, true), threshold)
        for predicted, true in pairs
    ]
    if not right:
        raise ValueError("there is nothing to score: give at least one pair of box lists")
    return float(np.mean(right))


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    sides: NDArray[np.float64] = (boxes[..., 2:] - boxes[..., :2]).clip(min=0)
    return np.multiply(sides[..., 0], sides[..., 1])


def _hits(sample: ScoredBoxes, threshold: float) -> NDArray[np.bool_]:
    """Whether each prediction, surest first, found a true box of its own."""
    order = np.argsort(-sample.scores, kind="stable")
    iou = box_iou(sample.boxes, sample.targets)[order]  # N x M
    hits = np.zeros(len(iou), dtype=np.bool_)
    if iou.shape[1] == 0:
        return hits
    for row, overlaps in enumerate(iou):
        best = int(overlaps.argmax())
        if overlaps[best] >= threshold:
            hits[row] = True
            iou[:, best] = -1  # taken
    return hits


def _matched(iou: NDArray[np.float64], threshold: float) -> int:
    """How many pairs remain when boxes are paired off, the best overlap first."""
    iou, count = iou.copy(), 0
    while iou.size and iou.max() >= threshold:
        row, column = np.unravel_index(int(iou.argmax()), iou.shape)
        iou[row], iou[:, column], count = -1, -1, count + 1
    return count
