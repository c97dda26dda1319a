"""Confidence: token probabilities laid out on the token grid (paper, section 4.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def confidence_grid(probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
    """Probabilities of a map's tokens as an image.

    Args:
        probabilities: N x G*G in [0, 1], row-major; N samples.

    Returns:
        G x G, the samples' mean at each place, in [0, 1].

    Raises:
        ValueError: the tokens do not fill a square.
    """
    side = round(probabilities.shape[1] ** 0.5)
    if side * side != probabilities.shape[1]:
        raise ValueError(f"{probabilities.shape[1]} tokens do not fill a square grid")
    return probabilities.mean(0).reshape(side, side).astype(np.float32)


def sequence_score(probabilities: NDArray[np.floating]) -> float:
    """Geometric mean of token probabilities, in [0, 1]; 1 for no tokens."""
    if probabilities.size == 0:
        return 1.0
    return float(np.exp(np.log(np.clip(probabilities, 1e-12, 1.0)).mean()))


def box_confidence(
    boxes: NDArray[np.floating], scores: NDArray[np.floating], size_wh: tuple[int, int]
) -> NDArray[np.float32]:
    """Each box's score inside it, the highest where boxes overlap, 0 elsewhere: H x W.

    Args:
        boxes: K x 4 in pixels.
        scores: K in [0, 1].
        size_wh: of the image.
    """
    width, height = size_wh
    confidence = np.zeros((height, width), np.float32)
    for (x1, y1, x2, y2), score in zip(boxes, scores, strict=True):
        rows, columns = slice(int(y1), int(np.ceil(y2))), slice(int(x1), int(np.ceil(x2)))
        confidence[rows, columns] = np.maximum(confidence[rows, columns], np.float32(score))
    return confidence
