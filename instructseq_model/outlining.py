"""Outlining: boxes drawn to the edges of what the grounding points at.

A box is four tokens, each drawn for itself: together they say well which object is meant, and roughly where it ends.
The grounding's map has those edges; which of its regions to take, it does not know. So each box becomes that around the
region which hangs together with the box's strongest point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from instructseq_model.aggregation import most_agreed, pairwise_box_iou
from instructseq_model.errors import CheckpointError
from instructseq_model.geometry import Placement, map_to_source, stretch

FINENESS = 128
"""Places a side in which regions are found, linear between the grounding's own."""

BELOW_PEAK = 1.0
"""A region reaches at least so far below its strongest point, however weak that is; logits."""

LARGEST_THRESHOLD = 100


@dataclass(frozen=True, kw_only=True)
class BoxEvidence:
    """What the model says of boxes of one image.

    Attributes:
        answers: of each sample its boxes as decoded, K x 4, parts of the square that the model sees.
        said: of each sample, K in [0, 1], mean probability of each box's tokens.
        pointed: S x S float32, the grounding's logits of "belongs to what was said".
        placement: how the source image lies in the square.
    """

    answers: tuple[NDArray[np.float64], ...]
    said: tuple[NDArray[np.float64], ...]
    pointed: NDArray[np.float32]
    placement: Placement

    def agreed(self, answers: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of answers, one a sample, the one that agrees most with the others: its boxes, and what was said of each."""
        best = most_agreed(pairwise_box_iou(list(answers)))
        return answers[best], self.said[best]


@dataclass(frozen=True, kw_only=True)
class Outlining:
    """How regions are cut out.

    Attributes:
        threshold: logit from which on a place belongs to a region.

    Raises:
        CheckpointError: the threshold is no such number.
    """

    threshold: float

    def __post_init__(self) -> None:
        if not abs(self.threshold) <= LARGEST_THRESHOLD:
            raise CheckpointError(
                f"{self.threshold!r:.100} is no threshold of logits: it lies within {LARGEST_THRESHOLD} of 0"
            )

    def boxes(self, evidence: BoxEvidence) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The boxes of the sample that agrees most with the others, each drawn to the edges of its region.

        Samples that mean the same region agree fully then, however their coordinates were drawn.

        Returns:
            K x 4, parts of the square, and K in [0, 1], what was said of each.
        """
        fine = map_to_source(evidence.pointed, stretch((FINENESS, FINENESS), FINENESS), method="linear")
        answers = [[self._around(fine, box) for box in boxes] for boxes in evidence.answers]
        return evidence.agreed([np.array(boxes, np.float64).reshape(-1, 4) / FINENESS for boxes in answers])

    def _around(self, fine: NDArray[np.float32], box: NDArray[np.float64]) -> tuple[int, int, int, int]:
        """The box around the region of one box's strongest point, in places."""
        first = np.clip(np.rint(box[:2] * FINENESS), 0, FINENESS - 1).astype(int)
        last = np.maximum(np.rint(box[2:] * FINENESS).astype(int), first + 1)
        window = fine[first[1] : last[1], first[0] : last[0]]
        row, column = np.unravel_index(int(window.argmax()), window.shape)
        belongs = fine >= min(self.threshold, float(window[row, column]) - BELOW_PEAK)
        _, regions, bounds, _ = cv2.connectedComponentsWithStats(belongs.astype(np.uint8), connectivity=8)
        left, top, width, height, _ = bounds[regions[first[1] + row, first[0] + column]].tolist()
        return left, top, left + width, top + height
