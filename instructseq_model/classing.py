"""Classing: which class each place of a map of classes has, from what was painted and what the grounding reads.

Token by token a map is painted in one code a cell, whose few colours say little of what is smaller than a cell. The
grounding reads class logits off every subcell, each for itself. A place has the class of the largest logit, to which
the share of the samples that paint that class adds a bonus.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructseq_model.errors import CheckpointError
from instructseq_model.geometry import Placement, map_to_source, stretch

LARGEST_BONUS = 100


@dataclass(frozen=True, kw_only=True)
class ClassEvidence:
    """What the model says of the classes of one image.

    Attributes:
        painted: N x S x S class ids that the samples painted; C and above is unlabelled.
        logits: s x s x C float32, the grounding's.
        placement: how the source image lies in the square that both cover.
    """

    painted: NDArray[np.integer]
    logits: NDArray[np.float32]
    placement: Placement


@dataclass(frozen=True, kw_only=True)
class Classing:
    """How evidence of classes is weighed.

    Attributes:
        bonus: added to the logit of a class that all samples paint.

    Raises:
        CheckpointError: the bonus is no such number.
    """

    bonus: float

    def __post_init__(self) -> None:
        if not 0 <= self.bonus <= LARGEST_BONUS:
            raise CheckpointError(f"{self.bonus!r:.100} is no bonus: it lies between 0 and {LARGEST_BONUS}")

    def classes(self, evidence: ClassEvidence) -> tuple[NDArray[np.integer], NDArray[np.float32]]:
        """Each place's class and its probability as the logits have it: S x S ids and S x S in (0, 1].

        A place that most samples leave unlabelled stays so, with their share as probability.
        """
        side, known = evidence.painted.shape[1], evidence.logits.shape[-1]
        logits = map_to_source(evidence.logits, stretch((side, side), side), method="linear")  # S x S x C
        rows, columns = np.indices((side, side))
        for painted in evidence.painted:
            labelled = painted < known
            logits[rows[labelled], columns[labelled], painted[labelled]] += self.bonus / len(evidence.painted)
        ids = logits.argmax(-1)
        highest = logits.max(-1)
        probability = 1 / np.exp(logits - highest[..., None]).sum(-1)
        unlabelled = (evidence.painted >= known).mean(0)
        left = unlabelled > 0.5
        ids = np.where(left, evidence.painted.max(0), ids).astype(evidence.painted.dtype)
        return ids, np.where(left, unlabelled, probability).astype(np.float32)
