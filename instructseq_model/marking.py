"""Marking: which pixels are meant, weighed from the two things that a model says of them.

Token by token it paints a map of one code a cell, coarse, each cell knowing what was painted before. Before that its
grounding has pointed: a logit for every subcell, finer, each for itself. A logistic regression on calibration scenes
weighs the two (stacking, Wolpert 1992), so the result is a probability, and the share of it that makes the overlap
largest is the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructseq_model.errors import CheckpointError
from instructseq_model.geometry import Placement, map_to_source, stretch

LEAST_PROBABILITY = 1e-4
"""Of what was painted: float32 probabilities say 0 and 1 too, whose logits are endless."""

LARGEST_WEIGHT = 100


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the model says of each place of one image.

    Attributes:
        painted: G x G float32 in [0, 1], the probability that a cell is painted marked; the samples' mean.
        pointed: S x S float32, the grounding's logits of "belongs to what was said".
        placement: how the source image lies in the square that both cover.
    """

    painted: NDArray[np.float32]
    pointed: NDArray[np.float32]
    placement: Placement

    def logits(self) -> NDArray[np.float32]:
        """Both as logits where the pointing has its places: S x S x 2, painted first."""
        side = len(self.pointed)
        painted = np.clip(self.painted, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        finer = map_to_source(np.log(painted / (1 - painted)), stretch((side, side), side), method="linear")
        return np.stack([finer, self.pointed], -1).astype(np.float32)


class Marks(NamedTuple):
    """A mask that evidence gives.

    Attributes:
        mask: H x W, bool.
        confidence: H x W float32 in [0, 1], that each pixel is rightly marked or left out.
        overlap: the mask's IoU with what is meant as these probabilities expect it, in [0, 1].
    """

    mask: NDArray[np.bool_]
    confidence: NDArray[np.float32]
    overlap: float


@dataclass(frozen=True, kw_only=True)
class Marking:
    """How evidence is weighed.

    Attributes:
        painted: weight of the painted cells' logits, up to `LARGEST_WEIGHT` either way, as the other two.
        pointed: weight of the grounding's logits.
        bias: added to both.
        threshold: a pixel is marked from this probability on, in (0, 1).

    Raises:
        CheckpointError: the numbers weigh nothing.
    """

    painted: float
    pointed: float
    bias: float
    threshold: float

    def __post_init__(self) -> None:
        weights = (self.painted, self.pointed, self.bias)
        if not (all(abs(weight) <= LARGEST_WEIGHT for weight in weights) and 0.0 < self.threshold < 1.0):
            raise CheckpointError(
                f"{self!s:.200} weighs nothing: it needs weights up to {LARGEST_WEIGHT} and a threshold in (0, 1)"
            )

    def probability(self, evidence: Evidence) -> NDArray[np.float32]:
        """That each pixel of the source image is meant: H x W in [0, 1]."""
        weighed = evidence.logits() @ np.array([self.painted, self.pointed], np.float32) + np.float32(self.bias)
        placed = map_to_source(weighed, evidence.placement, method="linear")
        return np.asarray(1 / (1 + np.exp(-placed)), np.float32)

    def marks(self, evidence: Evidence) -> Marks:
        """The pixels that are meant, and how sure that is."""
        probability = self.probability(evidence)
        mask = probability >= self.threshold
        return Marks(mask, np.where(mask, probability, 1 - probability), expected_overlap(probability, mask))


def expected_overlap(probability: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    """A mask's expected intersection over its expected union with what is meant; 0 for an empty mask.

    Args:
        probability: H x W, that each pixel is meant.
        mask: H x W.
    """
    inside, outside = float(probability[mask].sum()), float(probability[~mask].sum())
    return inside / (np.count_nonzero(mask) + outside) if inside > 0 else 0.0
