"""What the VQ-VAE is trained for beyond plain reconstruction."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def palette_logits(images: Tensor, colours: Tensor, *, temperature: float) -> Tensor:
    """Negative squared distance of every pixel to every colour.

    Args:
        images: B x 3 x H x W, in [-1, 1].
        colours: B x K x 3, each picture's palette in [-1, 1].
        temperature: divides the distances.

    Returns:
        B x K x H x W, float32; the squared length of the pixel, equal for all colours, is left out.
    """
    pixels = images.float().flatten(2)  # B x 3 x HW
    products = torch.baddbmm(colours.square().sum(-1, keepdim=True), colours, pixels, alpha=-2.0)  # B x K x HW
    return (products / -temperature).view(*products.shape[:2], *images.shape[2:])


def palette_cross_entropy(images: Tensor, ids: Tensor, colours: Tensor, *, temperature: float) -> Tensor:
    """Cross-entropy of the nearest-colour decision, a scalar; shapes as in `palette_logits`, ids B x H x W, long."""
    return F.cross_entropy(palette_logits(images, colours, temperature=temperature), ids)


def flat_cells(ids: Tensor, side: int) -> Tensor:
    """Which cells show a single class.

    Args:
        ids: B x H x W, whole numbers.
        side: pixels of a cell.

    Returns:
        B x H/side x W/side, bool.
    """
    batch, height, width = ids.shape
    cells = ids.view(batch, height // side, side, width // side, side)
    return cells.amax((2, 4)) == cells.amin((2, 4))


def flat_spread(latents: Tensor, labels: Tensor) -> Tensor:
    """How far the latents of flat cells lie from the mean of their colour.

    Pulling them together gives each colour one code, wherever it stands: few interchangeable codes, so that the
    transformer's next code is predictable.

    Args:
        latents: M x D, of flat cells only.
        labels: M, long: which colour each cell shows.

    Returns:
        Mean squared distance to the colour's mean over the batch as a share of the variance of all, a scalar: so
        shrinking all latents gains nothing. 0 for fewer than two cells.
    """
    if len(labels) < 2:
        return latents.sum() * 0.0
    _, group, count = labels.unique(return_inverse=True, return_counts=True)
    means = latents.new_zeros(len(count), latents.shape[1]).index_add(0, group, latents) / count[:, None]
    return (latents - means[group]).square().mean() / (latents.var() + 1e-6)
