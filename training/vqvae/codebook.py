"""How the codebook learns: k-means at the start, running means after it, new places for entries nobody uses."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from instructseq_model.vqvae import Codebook

FORGOTTEN = 1e-6
"""Running use under which nothing is left of a mean: such an entry stays where it is."""


def k_means(points: Tensor, count: int, *, rounds: int, generator: torch.Generator) -> Tensor:
    """Lloyd's algorithm from distinct random points.

    Args:
        points: M x D, M >= 1. Equal points count once when the start is drawn, so that flat cells, which are most of
            all cells and nearly equal, do not take most entries.
        count: number of centres.
        rounds: of assignment and mean.
        generator: the source of chance.

    Returns:
        count x D, float32. Centres that lose all their points stay where they are.
    """
    points = points.float()
    distinct = points.mul(1e3).round().unique(dim=0) / 1e3
    order = torch.randperm(len(distinct), generator=generator)
    book = Codebook(count, points.shape[1]).to(points.device)
    centres = distinct[order[torch.arange(count) % len(distinct)].to(points.device)]
    with torch.no_grad():
        for _ in range(rounds):
            book.embedding.weight.copy_(centres)
            nearest = book.nearest(points)  # M
            sums = torch.zeros_like(centres).index_add(0, nearest, points)
            counts = torch.bincount(nearest, minlength=count)[:, None]
            centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
    return centres


class RunningCodebook(nn.Module):
    """Moves every entry to the running mean of the latents that chose it (van den Oord et al. 2017, appendix A.1).

    Args:
        codebook: whose entries are moved, in place; gradients do not touch it.
        decay: of the running sums, a step.
        least_use: running number of latents a step under which an entry is moved to a random latent of the batch.
    """

    uses: Tensor
    sums: Tensor

    def __init__(self, codebook: Codebook, *, decay: float, least_use: float) -> None:
        super().__init__()
        self.entries = codebook.embedding.weight
        self.decay = decay
        self.least_use = least_use
        self.register_buffer("uses", torch.ones(len(self.entries)))
        self.register_buffer("sums", self.entries.detach().clone())

    @torch.no_grad()
    def start(self, centres: Tensor) -> None:
        """Put the entries at `centres`, codes x D, each as if used once a step."""
        self.entries.copy_(centres)
        self.sums.copy_(centres)
        self.uses.fill_(1.0)

    @torch.no_grad()
    def update(self, latents: Tensor, codes: Tensor, *, generator: torch.Generator | None) -> int:
        """One step.

        Args:
            latents: M x D.
            codes: M, the entry each latent chose.
            generator: the source of chance for new places; None leaves unused entries alone.

        Returns:
            How many entries were given a new place.
        """
        latents = latents.float()
        self.uses.mul_(self.decay).add_(torch.bincount(codes, minlength=len(self.uses)), alpha=1 - self.decay)
        self.sums.mul_(self.decay).add_(torch.zeros_like(self.sums).index_add_(0, codes, latents), alpha=1 - self.decay)
        idle = (self.uses < self.least_use).nonzero()[:, 0]
        if generator is not None and len(idle):
            fresh = latents[torch.randint(len(latents), (len(idle),), generator=generator).to(latents.device)]
            self.uses[idle] = 1.0
            self.sums[idle] = fresh
        means = self.sums / self.uses.clamp(min=FORGOTTEN)[:, None]
        self.entries.copy_(torch.where(self.uses[:, None] > FORGOTTEN, means, self.entries))
        return len(idle) if generator is not None else 0
