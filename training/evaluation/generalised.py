"""gRefCOCO's scores: expressions that mean one object, several, or none (GRES; Liu, Ding and Jiang, CVPR 2023)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from instructseq_training.evaluation.masks import Mask, referring_scores

SMALLEST_AREA = 50
"""Predictions of fewer pixels count as "nothing is meant": the protocol for models without a no-target output."""


@dataclass(frozen=True, kw_only=True)
class GeneralisedScores:
    """Generalised referring segmentation over many expressions; all scores lie in [0, 1].

    Attributes:
        count: expressions scored.
        g_iou: mean IoU of one expression; a no-target expression counts 1 if nothing is predicted, else 0.
        c_iou: sum of intersections over sum of unions. A no-target expression that is recognised adds nothing, a missed
            one adds the predicted area to the union.
        n_accuracy: share of the no-target expressions that are recognised; None without any.
        t_accuracy: share of the others for which something is predicted; None without any.
    """

    count: int
    g_iou: float
    c_iou: float
    n_accuracy: float | None
    t_accuracy: float | None


def generalised_scores(pairs: Iterable[tuple[Mask, Mask]], *, smallest_area: int = SMALLEST_AREA) -> GeneralisedScores:
    """Score predicted masks against true ones, each pair of its own size.

    Args:
        pairs: (predicted, true), both H x W bool. A true mask without pixels means that nothing is referred to.
        smallest_area: predictions of fewer pixels count as nothing.

    Raises:
        ValueError: there is no pair, or the masks of a pair differ in shape or are not bool.
    """
    found = referring_scores(pairs, smallest_area=smallest_area)
    return GeneralisedScores(
        count=found.count,
        g_iou=found.mean_iou,
        c_iou=found.overall_iou,
        n_accuracy=found.no_target_accuracy,
        t_accuracy=found.target_accuracy,
    )
