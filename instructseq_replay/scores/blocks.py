"""Sums of rows by stretches of time, and intervals of scores from drawing such stretches anew.

Neighbouring frames of a camera show nearly the same thing. Drawing frames one by one would take them for independent
and give intervals that are far too narrow, so whole stretches are drawn.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from instructseq_replay.frames import FrameKey
from instructseq_training.evaluation.bootstrap import bootstrap_interval

BLOCK_SECONDS = 2.0
"""Length of a stretch."""

LEAST_BLOCKS = 5
"""With fewer stretches an interval would say more about the method than about the model."""

Block = tuple[str, int]


def block_of(bag: str, key: FrameKey) -> Block:
    """The stretch of a frame: its bag, and the number of the stretch."""
    return bag, key.log_ns // round(BLOCK_SECONDS * 1e9)


class BlockSums:
    """Rows added up by stretch."""

    def __init__(self) -> None:
        self._sums: dict[Block, NDArray[np.float64]] = {}

    def add(self, block: Block, row: NDArray[np.float64]) -> None:
        """Add the row of an answer."""
        self._sums[block] = self._sums[block] + row if block in self._sums else row

    def __len__(self) -> int:
        return len(self._sums)

    @property
    def total(self) -> NDArray[np.float64]:
        """The sum of all rows; there must be one."""
        return self._by_block().sum(0)

    def interval(
        self, score: Callable[[NDArray[np.float64]], NDArray[np.float64]], *, seed: int = 0
    ) -> tuple[float, float] | None:
        """The 95 % interval of a score of summed rows; None from fewer than `LEAST_BLOCKS` stretches.

        Args:
            score: from sums, ... x D, to scores, ....
            seed: equal seeds give equal intervals.
        """
        if len(self._sums) < LEAST_BLOCKS:
            return None
        blocks = sorted(self._sums)
        return bootstrap_interval(self._by_block(), blocks, score, seed=seed)

    def _by_block(self) -> NDArray[np.float64]:
        return np.stack([self._sums[block] for block in sorted(self._sums)])  # B x D
