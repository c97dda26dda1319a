"""Scores of masks: oIoU, gIoU and no-target accuracy for referring segmentation, mIoU for semantic maps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ReferringScores:
    """Referring segmentation over many expressions; all scores lie in [0, 1].

    Attributes:
        count: expressions scored.
        overall_iou: oIoU, the sum of intersections over the sum of unions (RefCOCO's and the paper's score).
        mean_iou: mean IoU of one expression. Where nothing is meant, nothing predicted counts 1, anything else 0:
            gRefCOCO's "gIoU", which has nothing to do with the generalised IoU of boxes.
        share_above_half: share of expressions with an IoU of at least 0.5 (Pr@0.5).
        no_target_accuracy: N-acc, the share of the expressions without target for which nothing was predicted; None
            if every expression has a target.
        target_accuracy: T-acc, the share of the expressions with a target for which something was predicted; None if
            no expression has one.
    """

    count: int
    overall_iou: float
    mean_iou: float
    share_above_half: float
    no_target_accuracy: float | None
    target_accuracy: float | None


def referring_scores(pairs: Iterable[tuple[Mask, Mask]], *, smallest_area: int = 1) -> ReferringScores:
    """Score predicted masks against true ones, each pair of its own size.

    Args:
        pairs: (predicted, true), both H x W bool. A true mask without pixels means that nothing is referred to.
        smallest_area: predictions of fewer pixels count as nothing (gRefCOCO's protocol takes 50).

    Raises:
        ValueError: there is no pair, or the masks of a pair differ in shape or are not bool.
    """
    counts = np.array(
        [mask_areas(predicted, true, smallest_area=smallest_area) for predicted, true in pairs], dtype=np.int64
    )  # N x 3
    if len(counts) == 0:
        raise ValueError("there is nothing to score: give at least one pair of masks")
    intersection, union, true_area = counts.T
    predicted_area = intersection + union - true_area
    iou = np.where(union > 0, intersection / np.maximum(union, 1), 1.0)
    has_target = true_area > 0
    return ReferringScores(
        count=len(counts),
        overall_iou=float(intersection.sum() / union.sum()) if union.sum() else 1.0,
        mean_iou=float(iou.mean()),
        share_above_half=float((iou >= 0.5).mean()),
        no_target_accuracy=_share(predicted_area[~has_target] == 0),
        target_accuracy=_share(predicted_area[has_target] > 0),
    )


def mask_areas(predicted: Mask, true: Mask, *, smallest_area: int = 1) -> tuple[int, int, int]:
    """Pixels of the intersection, of the union and of the true mask.

    Args:
        predicted: H x W bool; of fewer pixels than `smallest_area` it counts as empty.
        true: the same shape.
        smallest_area: in pixels.

    Raises:
        ValueError: the masks differ in shape or are not bool.
    """
    if predicted.shape != true.shape or predicted.dtype != np.bool_ or true.dtype != np.bool_:
        found = f"{predicted.dtype} {predicted.shape} and {true.dtype} {true.shape}"
        raise ValueError(f"masks must be bool and of one shape, got {found}")
    if np.count_nonzero(predicted) < smallest_area:
        predicted = np.zeros_like(predicted)
    return int((predicted & true).sum()), int((predicted | true).sum()), int(true.sum())


def overall_iou(pairs: Iterable[tuple[Mask, Mask]]) -> float:
    """The sum of intersections over the sum of unions (oIoU); see `referring_scores`."""
    return referring_scores(pairs).overall_iou


def confusion_matrix(predicted: NDArray[np.integer], true: NDArray[np.integer], *, classes: int) -> NDArray[np.int64]:
    """Pixels by true and predicted class; add the matrices of many images before taking scores.

    Args:
        predicted: H x W class ids; any id that is no class (such as a label set's `unlabelled`) counts as a miss.
        true: H x W class ids; pixels whose id is no class (unlabelled, 255) are left out.
        classes: number of classes C; ids are 0 .. C-1.

    Returns:
        C x (C + 1): row = true class, column = predicted class, the last column everything that is no class.

    Raises:
        ValueError: the maps differ in shape.
    """
    if predicted.shape != true.shape:
        raise ValueError(f"maps must have one shape, got {predicted.shape} and {true.shape}")
    counted = (true >= 0) & (true < classes)
    row = true[counted].astype(np.int64)
    column = predicted[counted].astype(np.int64)
    column = np.where((column >= 0) & (column < classes), column, classes)
    flat = np.bincount(row * (classes + 1) + column, minlength=classes * (classes + 1))
    return flat.reshape(classes, classes + 1)


def class_iou(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """IoU of each class from a `confusion_matrix`: C values in [0, 1], NaN for a class neither true nor predicted."""
    hits = np.diagonal(matrix).astype(np.float64)  # C
    union = matrix.sum(1) + matrix[:, :-1].sum(0) - hits
    scores = np.full(len(hits), np.nan)
    np.divide(hits, union, out=scores, where=union > 0)
    return scores


def mean_iou(matrix: NDArray[np.int64]) -> float:
    """Mean of `class_iou` over the classes that are true or predicted somewhere; in [0, 1].

    Raises:
        ValueError: the matrix holds no pixel.
    """
    if not matrix.any():
        raise ValueError("the confusion matrix is empty: add at least one labelled image")
    return float(np.nanmean(class_iou(matrix)))


def pixel_accuracy(matrix: NDArray[np.int64]) -> float:
    """Share of the labelled pixels whose class is right; in [0, 1]."""
    return float(np.diagonal(matrix).sum() / max(1, matrix.sum()))


def _share(right: NDArray[np.bool_]) -> float | None:
    return float(right.mean()) if right.size else None
