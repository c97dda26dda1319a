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
    as_decoded = [evidence.agreed(evidence.answers)[0] for evidence, _ in known]
    if sum(map(len, as_decoded)) < LEAST:
        return None
    decoded = _share_of_hits(as_decoded, known)
    shares = []
    for threshold in THRESHOLDS:
        outlining = Outlining(threshold=float(threshold))
        shares.append(_share_of_hits([outlining.boxes(evidence)[0] for evidence, _ in known], known))
    best = int(np.argmax(shares))
    return Outlining(threshold=float(THRESHOLDS[best])) if shares[best] > decoded else None


def _share_of_hits(boxes: Sequence[NDArray[np.float64]], known: Sequence[Known]) -> float:
    found = [hits(given, evidence, truth) for given, (evidence, truth) in zip(boxes, known, strict=True)]
    return float(np.concatenate(found).mean())


def hits(boxes: NDArray[np.float64], evidence: BoxEvidence, truth: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which boxes, K x 4 parts of the square, are right."""
    if not (len(boxes) and len(truth)):
        return np.zeros(len(boxes), bool)
    overlaps = box_iou(evidence.placement.boxes_to_source(boxes), truth)  # K x T
    return np.asarray(overlaps.max(1) >= RIGHT, bool)
