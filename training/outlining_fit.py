"""Fitting from where on places belong to what is pointed at, for boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instructseq_model.outlining import BoxEvidence, Outlining
from instructseq_training.evaluation.boxes import box_iou

LEAST = 40
"""Boxes, below which nothing is fitted."""
THRESHOLDS = np.arange(-4.0, 1.01, 0.25)
RIGHT = 0.5
"""A box is right from this IoU on."""

Known = tuple[BoxEvidence, NDArray[np.float64]]
"""What the model says of one image, and the true boxes, T x 4 in pixels of the source."""


def fit_outlining(known: Sequence[Known]) -> Outlining | None:
    """The threshold with which most boxes are right.

    Returns:
        None where there are too few boxes, or more are right as they were decoded.
    """
    if sum(len(evidence.boxes) for evidence, _ in known) < LEAST:
        return None
    decoded = np.concatenate([hits(evidence.boxes, evidence, truth) for evidence, truth in known]).mean()
    shares = []
    for threshold in THRESHOLDS:
        outlining = Outlining(threshold=float(threshold))
        found = [hits(outlining.outlined(evidence), evidence, truth) for evidence, truth in known]
        shares.append(np.concatenate(found).mean())
    best = int(np.argmax(shares))
    return Outlining(threshold=float(THRESHOLDS[best])) if shares[best] > decoded else None


def hits(boxes: NDArray[np.float64], evidence: BoxEvidence, truth: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which boxes, K x 4 parts of the square, are right."""
    if not (len(boxes) and len(truth)):
        return np.zeros(len(boxes), bool)
    overlaps = box_iou(evidence.placement.boxes_to_source(boxes), truth)  # K x T
    return np.asarray(overlaps.max(1) >= RIGHT, bool)
