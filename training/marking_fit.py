"""Fitting how a mask is weighed from what was painted and what was pointed at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from instructseq_model.geometry import map_to_source
from instructseq_model.marking import Evidence, Marking

STEP = 3
"""Every third row and column is enough: neighbours say the same."""
LEAST = 40
"""Masks, below which nothing is fitted."""
THRESHOLDS = 100

Known = tuple[Evidence, NDArray[np.bool_]]
"""What the model says of one image, and the pixels that are meant, H x W."""


def fit_marking(known: Sequence[Known]) -> Marking | None:
    """The weights under which the truth is most probable, and the threshold with the largest overlap over all pixels.

    Args:
        known: of instructions that mean something.

    Returns:
        None where there are too few.
    """
    if len(known) < LEAST:
        return None
    logits = np.concatenate([_of_pixels(evidence) for evidence, _ in known])  # P x 2
    meant = np.concatenate([truth[::STEP, ::STEP].ravel() for _, truth in known])
    painted, pointed, bias = fit_weights(logits, meant).tolist()
    probability = expit(logits @ np.array([painted, pointed]) + bias)
    return Marking(painted=painted, pointed=pointed, bias=bias, threshold=best_overlap_threshold(probability, meant))


def fit_weights(features: NDArray[np.float64], meant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Logistic regression.

    Args:
        features: P x F.
        meant: P.

    Returns:
        F weights, then the bias.
    """

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = features @ weights[:-1] + weights[-1]
        error = expit(logits) - meant
        slope = np.append(features.T @ error, error.sum())
        return float((np.logaddexp(0, logits) - meant * logits).mean()), slope / len(meant)

    start = np.zeros(features.shape[1] + 1)
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x, np.float64)


def best_overlap_threshold(probability: NDArray[np.float64], meant: NDArray[np.bool_]) -> float:
    """From which probability on marking makes intersection over union largest, of all pixels together."""
    bins = np.minimum((probability * THRESHOLDS).astype(int), THRESHOLDS - 1)
    marked = np.bincount(bins, minlength=THRESHOLDS)[::-1].cumsum()[::-1]
    right = np.bincount(bins[meant], minlength=THRESHOLDS)[::-1].cumsum()[::-1]
    overlap = right / np.maximum(marked + np.count_nonzero(meant) - right, 1)
    return int(overlap[1:].argmax() + 1) / THRESHOLDS


def _of_pixels(evidence: Evidence) -> NDArray[np.float64]:
    """Logits of some of an image's pixels, P x 2."""
    placed = map_to_source(evidence.logits(), evidence.placement, method="linear")
    return placed[::STEP, ::STEP].reshape(-1, placed.shape[-1]).astype(np.float64)
