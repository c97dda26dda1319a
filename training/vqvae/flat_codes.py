"""One code for every flat colour: what makes the codes of maps predictable."""

from __future__ import annotations

import torch
from torch import Tensor

from instructseq_model.vqvae import Codebook
from instructseq_training.vqvae.maps import MapBatch
from instructseq_training.vqvae.objectives import flat_cells

RETIRED = 1e3  # in every dimension: an entry no latent is ever nearest to
DOMINATED = 0.7  # an entry with more flat cells than this share of its other cells is one of a flat colour's crowd
STRAY = 0.35  # the same in the second look, when each flat colour has its own entry


def flat_labels(batch: MapBatch, side: int) -> tuple[Tensor, Tensor]:
    """Which cells are flat, and in which colour.

    Args:
        batch: B maps.
        side: pixels of a cell.

    Returns:
        B x h x w, bool; and B x h x w, long: one number for every colour of either kind, 0 for black in both.
    """
    shown = batch.ids[:, ::side, ::side]
    return flat_cells(batch.ids, side), (shown + 1000 * batch.kinds[:, None, None]).where(shown > 0, 0)


@torch.no_grad()
def unify_flat_codes(codebook: Codebook, latents: Tensor, flat: Tensor, labels: Tensor, *, looks: int = 3) -> int:
    """Give every flat colour one entry at its mean latent, and retire the entries that crowd around it.

    Latents of flat cells lie close together, but many entries divide that small place among them, and which one a cell
    gets says nothing: the transformer could not predict it. Boundary cells that chose such an entry take the nearest
    one left.

    Args:
        codebook: changed in place.
        latents: M x D, of all cells of many maps.
        flat: M, bool.
        labels: M, the colour of each flat cell.
        looks: rounds of retiring entries that still take flat cells.

    Returns:
        How many entries are left in use.
    """
    entries = codebook.embedding.weight
    colours = labels[flat].unique()
    means = torch.stack([latents[flat & (labels == colour)].mean(0) for colour in colours])  # C x D
    of_flat, of_other = _uses(codebook, latents, flat)
    crowd = (of_flat > 0) & (of_flat > DOMINATED * of_other)
    idle = of_flat + of_other == 0
    places = torch.cat([crowd.nonzero()[:, 0], idle.nonzero()[:, 0]])
    if len(places) < len(colours):  # the least used make room
        order = (of_flat + of_other).masked_fill(crowd | idle, 1 << 40).argsort()
        places = torch.cat([places, order[: len(colours) - len(places)]])
    entries[places] = RETIRED
    own = places[: len(colours)]
    entries[own[: len(means)]] = means[: len(own)]
    for _ in range(looks):
        of_flat, of_other = _uses(codebook, latents, flat)
        stray = (of_flat > 0) & (of_flat > STRAY * of_other)
        stray[own] = False
        entries[stray] = RETIRED
    return int((torch.bincount(codebook.nearest(latents), minlength=len(entries)) > 0).sum())


def _uses(codebook: Codebook, latents: Tensor, flat: Tensor) -> tuple[Tensor, Tensor]:
    """How often each entry is nearest to a flat cell, and to another one."""
    codes, count = codebook.nearest(latents), len(codebook.embedding.weight)
    return torch.bincount(codes[flat], minlength=count), torch.bincount(codes[~flat], minlength=count)
