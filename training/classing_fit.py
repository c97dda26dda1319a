"""Fitting how much a painted class counts beside the classes that the grounding reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instructseq_model.classing import ClassEvidence, Classing
from instructseq_model.geometry import map_to_source

LEAST = 20
"""Maps, below which nothing is fitted."""
STEP = 3
"""Every third row and column is enough: neighbours say the same."""
BONUSES = np.arange(0.0, 6.01, 0.25)

Known = tuple[ClassEvidence, NDArray[np.integer]]
"""What the model says of one image, and the true ids, H x W; ids that it cannot say are unlabelled."""


def fit_classing(known: Sequence[Known]) -> Classing | None:
    """The bonus with the largest mean IoU over the classes that occur.

    Returns:
        None where there are too few maps, or painting alone is better.
    """
    if len(known) < LEAST:
        return None
    scores = [_mean_iou([(Classing(bonus=float(bonus)).classes(e)[0], e, t) for e, t in known]) for bonus in BONUSES]
    best = int(np.argmax(scores))
    painted = _mean_iou([(evidence.painted[0], evidence, truth) for evidence, truth in known])
    return Classing(bonus=float(BONUSES[best])) if scores[best] > painted else None


def _mean_iou(maps: Sequence[tuple[NDArray[np.integer], ClassEvidence, NDArray[np.integer]]]) -> float:
    """Over labelled pixels of all images together; `maps` are ids in the model's square, evidence and truth."""
    count = maps[0][1].logits.shape[-1]
    confusion = np.zeros((count, count + 1), np.int64)
    for ids, evidence, truth in maps:
        given = map_to_source(ids, evidence.placement)[::STEP, ::STEP]
        true = truth[::STEP, ::STEP]
        labelled = true < count
        pairs = true[labelled].astype(np.int64) * (count + 1) + np.minimum(given[labelled], count)
        confusion += np.bincount(pairs, minlength=confusion.size).reshape(confusion.shape)
    hits = confusion[:, :count].diagonal()
    occurring = confusion.sum(1) > 0
    union = confusion.sum(1) + confusion[:, :count].sum(0) - hits
    return float((hits[occurring] / union[occurring]).mean())
