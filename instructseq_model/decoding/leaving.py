"""Which rows go on when some have finished."""

from __future__ import annotations

import torch
from torch import Tensor

LEAVING_SHARE = 0.75
"""Finished rows leave when no more than this share of all stays: leaving copies the caches of those that stay."""


def staying_rows(unfinished: Tensor, share: int) -> tuple[Tensor, int]:
    """Rows to go on with: as many of each instruction as have to stay of any, filled up with finished ones.

    Args:
        unfinished: B, bool; some are.
        share: consecutive rows of each instruction.

    Returns:
        Rows, and how many of each instruction they are.
    """
    grouped = unfinished.view(-1, share)  # R x N
    most = int(grouped.sum(1).max())
    first = torch.arange(0, len(unfinished), share, device=unfinished.device)[:, None]
    chosen = grouped.int().argsort(dim=1, descending=True, stable=True)[:, :most].sort(1).values
    rows = first + chosen  # rising, so that whoever keeps their caches need not reorder them
    return rows[grouped.any(1)].flatten(), most
