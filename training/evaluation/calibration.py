"""How far a confidence map can be believed: reliability by bins and the expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Pixels sorted by confidence into bins of equal width over [0, 1]; those of many images add up.

    Attributes:
        counts: pixels a bin.
        confidence_sums: sum of their confidences.
        correct_counts: how many of them were right.
    """

    counts: NDArray[np.int64]
    confidence_sums: NDArray[np.float64]
    correct_counts: NDArray[np.int64]

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            counts=self.counts + other.counts,
            confidence_sums=self.confidence_sums + other.confidence_sums,
            correct_counts=self.correct_counts + other.correct_counts,
        )

    @property
    def error(self) -> float:
        """Expected calibration error in [0, 1]: mean distance of confidence and accuracy, weighted by pixels.

        Raises:
            ValueError: there is no pixel.
        """
        total = int(self.counts.sum())
        if total == 0:
            raise ValueError("a calibration error needs at least one pixel")
        return float(np.abs(self.confidence_sums - self.correct_counts).sum() / total)


def reliability(confidence: ArrayLike, correct: ArrayLike, *, bins: int = 15) -> Reliability:
    """Sort the pixels of one image into bins.

    Args:
        confidence: any shape, in [0, 1].
        correct: the same shape, bool: whether the predicted class (or mask) is right there.
        bins: number of bins; bin i holds confidences in [i / bins, (i + 1) / bins), the last one 1 as well.

    Raises:
        ValueError: the shapes differ, or a confidence lies outside [0, 1] or is not a number.
    """
    values, right = np.asarray(confidence, dtype=np.float64).ravel(), np.asarray(correct, dtype=np.bool_).ravel()
    if values.shape != right.shape:
        raise ValueError(f"confidence has {values.size} values, but correctness {right.size}")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("confidences must lie in [0, 1]")
    edges = np.linspace(0, 1, bins + 1)
    index = np.searchsorted(edges[1:-1], values, side="right")
    return Reliability(
        counts=np.bincount(index, minlength=bins),
        confidence_sums=np.bincount(index, weights=values, minlength=bins).astype(np.float64),
        correct_counts=np.bincount(index[right], minlength=bins),
    )


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, *, bins: int = 15) -> float:
    """Expected calibration error of one confidence map, in [0, 1]; see `reliability`."""
    return reliability(confidence, correct, bins=bins).error
