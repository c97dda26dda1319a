"""From visual tokens to pixels, and from pixels to what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instructseq_model.palette import NAMED_COLOURS, LabelSet, nearest_class
from instructseq_model.products import product
from instructseq_model.vqvae import VQVAE

MARKED = "marked"
"""Of meanings that are kept: which codes paint a mark."""


def classes_key(name: str) -> str:
    """Of meanings that are kept: the classes of a label set."""
    return f"classes.{name}"


class MapPainter(Protocol):
    """The half of a VQ-VAE that paints; see `vqvae.VQVAE`."""

    def decode(self, codes: Tensor) -> Tensor:
        """B x G x G codes to B x 3 x S x S pictures in [-1, 1]."""
        ...


@torch.inference_mode()
def decode_maps(vqvae: MapPainter, codes: Tensor) -> NDArray[np.uint8]:
    """Painted maps of visual codes.

    Args:
        vqvae: paints the maps.
        codes: B x G*G, code numbers from 0.

    Returns:
        B x S x S x 3 uint8, RGB.
    """
    side = round(codes.shape[1] ** 0.5)
    images = vqvae.decode(codes.view(-1, side, side))  # B x 3 x S x S in [-1, 1]
    pixels = ((images.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    painted: NDArray[np.uint8] = pixels.permute(0, 2, 3, 1).cpu().numpy()
    return painted


def encode_maps(vqvae: VQVAE, maps: NDArray[np.uint8]) -> Tensor:
    """Visual codes of painted maps: B x S x S x 3 uint8 to B x G*G, code numbers from 0."""
    device = next(vqvae.parameters()).device
    pixels = torch.from_numpy(maps).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
    return vqvae.encode(pixels).flatten(1)


def referring_masks(painted: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where something was marked: pixels nearer to any named colour than to black.

    The colour that was asked for need not be known (paper, section 3.2.2): the background is black.

    Args:
        painted: B x H x W x 3 uint8.

    Returns:
        B x H x W.
    """
    # |p - c|^2 < |p|^2 where p.c > |c|^2 / 2; whole numbers of this size are exact.
    colours = np.array(list(NAMED_COLOURS.values()), np.float64)  # K x 3
    nearer = product(painted.reshape(-1, 3), colours.T) > (colours**2).sum(1) / 2
    marked: NDArray[np.bool_] = nearer.any(1).reshape(painted.shape[:-1])
    return marked


class PaintedCodes:
    """What each visual code paints amid its like, and what that means; painted once, when first asked for.

    Args:
        vqvae: the codes' autoencoder, trained.
        known: meanings that were found before, by `MARKED` and `classes_key`; None for none.
    """

    def __init__(self, vqvae: VQVAE, known: Mapping[str, Tensor] | None = None) -> None:
        self._vqvae = vqvae
        self._known = dict(known or {})

    @cached_property
    def patches(self) -> NDArray[np.uint8]:
        """Codes x patch x patch x 3, RGB."""
        return _painted_by_codes(self._vqvae)

    @cached_property
    def marked_codes(self) -> Tensor:
        """Which codes paint a mark rather than background: bool, one a code."""
        if MARKED in self._known:
            return self._known[MARKED]
        return torch.from_numpy(referring_masks(self.patches).mean((1, 2)) > 0.5)

    def code_classes(self, label_set: LabelSet) -> Tensor:
        """The class that each code paints most of: int64 ids, `label_set.unlabelled` for black."""
        key = classes_key(label_set.name)
        if key not in self._known:
            ids = class_maps(self.patches, label_set)
            most = [int(np.bincount(one.ravel(), minlength=label_set.unlabelled + 1).argmax()) for one in ids]
            self._known[key] = torch.tensor(most)
        return self._known[key]


@torch.inference_mode()
def _painted_by_codes(vqvae: VQVAE) -> NDArray[np.uint8]:
    """What each code paints amid its like: codes x patch x patch x 3."""
    patch = vqvae.config.reduction
    # Codes that were merged after training have equal entries: one is painted for all.
    entries = vqvae.codebook.float().cpu().numpy()
    _, first, place = np.unique(entries, axis=0, return_index=True, return_inverse=True)
    shown = torch.from_numpy(first).to(vqvae.codebook.device)[:, None].expand(-1, 9)  # 3 x 3 equal codes
    middles = [decode_maps(vqvae, part)[:, patch:-patch, patch:-patch] for part in shown.split(256)]
    painted: NDArray[np.uint8] = np.concatenate(middles)[place.reshape(-1)]
    return painted


def class_maps(painted: NDArray[np.uint8], label_set: LabelSet) -> NDArray[np.integer]:
    """Class ids of painted semantic maps by nearest colour: B x H x W, `label_set.unlabelled` for black."""
    return np.stack([nearest_class(one, label_set) for one in painted])
