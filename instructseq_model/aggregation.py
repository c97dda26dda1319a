"""From N samples to one answer: pixel vote, and the sample that agrees most with the others (paper, section 4.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instructseq_model.products import product


def vote(maps: NDArray[np.integer], *, classes: int) -> tuple[NDArray[np.integer], NDArray[np.float32]]:
    """The class that most samples give each pixel; the lowest id wins a tie.

    Args:
        maps: N x H x W class ids in [0, classes).
        classes: number of ids.

    Returns:
        H x W ids in the type of `maps`, and H x W the share of samples that agree, in (0, 1].

    Raises:
        ValueError: no sample, or an id outside the range.
    """
    if maps.ndim != 3 or len(maps) == 0:
        raise ValueError(f"maps must be N x H x W with N >= 1, got {maps.shape}")
    if maps.min() < 0 or maps.max() >= classes:
        raise ValueError(f"ids run from {maps.min()} to {maps.max()}, but there are {classes} classes")
    winner = maps[0].copy()
    most = np.zeros(maps.shape[1:], np.int32)
    for identity in np.unique(maps):
        count = (maps == identity).sum(0)
        better = count > most
        winner[better] = identity
        most = np.maximum(most, count)
    return winner, (most / len(maps)).astype(np.float32)


def pairwise_mask_iou(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Intersection over union of every pair of masks: N x H x W to N x N in [0, 1]. Two empty masks agree fully."""
    if masks.ndim != 3 or masks.dtype != np.bool_:
        raise ValueError(f"masks must be N x H x W and bool, got {masks.shape} {masks.dtype}")
    flat = masks.reshape(len(masks), -1).astype(np.float64)  # N x HW
    intersection = product(flat, flat.T)
    area = flat.sum(1)
    union = area[:, None] + area[None, :] - intersection
    return np.divide(intersection, union, out=np.ones_like(union), where=union > 0)


def box_set_iou(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """How well two answers of several boxes agree: the IoU of the areas they cover.

    Args:
        one: K x 4, x1 y1 x2 y2.
        other: the same; no boxes at all agree fully with no boxes.
    """
    if len(one) == 0 and len(other) == 0:
        return 1.0
    corners = np.concatenate([one, other])
    xs, ys = np.unique(corners[:, [0, 2]]), np.unique(corners[:, [1, 3]])
    area = np.outer(np.diff(ys), np.diff(xs))  # the grid that all edges cut the plane into
    first, second = _covered(one, xs, ys), _covered(other, xs, ys)
    union = area[first | second].sum()
    return float(area[first & second].sum() / union) if union > 0 else 0.0


def pairwise_box_iou(answers: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """`box_set_iou` of every pair of answers: N x N in [0, 1]."""
    return np.array([[box_set_iou(one, other) for other in answers] for one in answers])


def most_agreed(iou: NDArray[np.float64]) -> int:
    """Index of the sample whose mean IoU with the others is highest; the first one wins a tie.

    Args:
        iou: N x N, N >= 1.
    """
    others = iou.copy()
    np.fill_diagonal(others, 0.0)  # a sample says nothing about itself; boxes without area have 0 there, others 1
    return int(others.sum(1).argmax())


def _covered(boxes: NDArray[np.float64], xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.bool_]:
    covered = np.zeros((len(ys) - 1, len(xs) - 1), bool)
    for x1, y1, x2, y2 in boxes:
        inside_x = (xs[:-1] >= x1) & (xs[1:] <= x2)
        inside_y = (ys[:-1] >= y1) & (ys[1:] <= y2)
        covered |= np.outer(inside_y, inside_x)
    return covered
