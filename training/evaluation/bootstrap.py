"""Confidence intervals of scores by drawing images again and again (percentile bootstrap)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Score = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From summed statistics, ... x D, to scores, ...; NaN where they allow none."""

CHUNK = 64
"""Draws whose sums are held at once."""


def bootstrap_interval(
    statistics: NDArray[np.float64],
    images: Sequence[Hashable],
    score: Score,
    *,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float] | None:
    """The interval in which a score lies when other images of the same sort are taken.

    Images are drawn, not cases: questions about one image go wrong together.

    Args:
        statistics: N x D, what each case adds to the sums that the score is made of.
        images: N, which image each case is about.
        score: the score of summed statistics.
        level: share of the draws inside, in (0, 1).
        draws: how many.
        seed: equal arguments give equal intervals.

    Returns:
        Its ends; None where there are fewer than two images, or no draw allows a score.

    Raises:
        ValueError: `statistics` and `images` differ in length.
    """
    if len(statistics) != len(images):
        raise ValueError(f"{len(statistics)} rows of statistics, but {len(images)} images")
    order = {image: number for number, image in enumerate(dict.fromkeys(images))}
    if len(order) < 2:
        return None
    of_images = np.zeros((len(order), statistics.shape[1]))  # M x D
    np.add.at(of_images, [order[image] for image in images], statistics)
    rng = np.random.default_rng(seed)
    scores = []
    for first in range(0, draws, CHUNK):
        taken = rng.multinomial(len(order), np.full(len(order), 1 / len(order)), size=min(CHUNK, draws - first))
        scores.append(score(taken @ of_images))
    found = np.concatenate(scores)
    found = found[~np.isnan(found)]
    if not len(found):
        return None
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
