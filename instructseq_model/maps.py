"""From visual tokens to pixels, and from pixels to what they mean."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instructseq_model.palette import NAMED_COLOURS, LabelSet, nearest_class
from instructseq_model.vqvae import VQVAE


@torch.inference_mode()
def decode_maps(vqvae: VQVAE, codes: Tensor) -> NDArray[np.uint8]:
    """Painted maps of visual codes.

    Args:
        vqvae: the map's autoencoder.
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
    pixels = painted.astype(np.int32)
    to_black = (pixels**2).sum(-1)  # B x H x W
    marked = np.zeros(painted.shape[:-1], bool)
    for colour in NAMED_COLOURS.values():
        marked |= ((pixels - np.array(colour)) ** 2).sum(-1) < to_black
    return marked


def marked_codes(vqvae: VQVAE) -> Tensor:
    """Which codes paint a mark rather than background: bool, one a code, by what each alone paints."""
    share = referring_masks(_painted_by_codes(vqvae)).mean((1, 2))
    return torch.from_numpy(share > 0.5)


def code_classes(vqvae: VQVAE, label_set: LabelSet) -> Tensor:
    """The class that each code paints most of, alone: int64 ids, `label_set.unlabelled` for black."""
    ids = class_maps(_painted_by_codes(vqvae), label_set)
    classes = label_set.unlabelled + 1
    return torch.tensor([int(np.bincount(one.ravel(), minlength=classes).argmax()) for one in ids])


@torch.inference_mode()
def _painted_by_codes(vqvae: VQVAE) -> NDArray[np.uint8]:
    """What each code paints amid its like: codes x patch x patch x 3."""
    patch = vqvae.config.reduction
    codes = torch.arange(vqvae.config.codes, device=vqvae.codebook.device)[:, None].expand(-1, 9)  # 3 x 3 equal codes
    middles = [decode_maps(vqvae, part)[:, patch:-patch, patch:-patch] for part in codes.split(256)]
    return np.concatenate(middles)


def class_maps(painted: NDArray[np.uint8], label_set: LabelSet) -> NDArray[np.integer]:
    """Class ids of painted semantic maps by nearest colour: B x H x W, `label_set.unlabelled` for black."""
    return np.stack([nearest_class(one, label_set) for one in painted])
