"""LPIPS: how different two pictures look, by the features of a network that knows photographs.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (CVPR 2018), version 0.1 on
VGG16, which taming-transformers and latent diffusion train with. Libraries have it too, but open its published weights,
which are pickles, when it is built; here they come as safetensors (`instructseq_training.vqvae.convert_perceptual`).
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from instructseq_model.vqvae import fill, read_weights

PERCEPTUAL_FILE = "perceptual.safetensors"
"""Its name in a folder of converted weights."""

SLICES = ((0, 4), (4, 9), (9, 16), (16, 23), (23, 30))
"""Layers of VGG16 up to and with the last ReLU of each resolution; named as in the published weights."""

WIDTHS = (64, 128, 256, 512, 512)
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Mean and deviation of ImageNet's pixels, in [-1, 1]."""


class PerceptualDistance(nn.Module):
    """LPIPS on VGG16; names of weights as published (`net.slice1.0.weight`, `lin0.model.1.weight`)."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers = make_layers(cfgs["D"], batch_norm=False)
        self.net = nn.ModuleDict(
            {
                f"slice{number}": nn.Sequential(OrderedDict((str(i), layers[i]) for i in range(*ends)))
                for number, ends in enumerate(SLICES, 1)
            }
        )
        for number, width in enumerate(
            WIDTHS
        ):  # the published heads stand behind a dropout that only their training had
            head = nn.Sequential(nn.Identity(), nn.Conv2d(width, 1, 1, bias=False))
            self.add_module(f"lin{number}", nn.ModuleDict({"model": head}))
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1), persistent=False)

    def forward(self, found: Tensor, truth: Tensor) -> Tensor:
        """The distance of each picture to its counterpart.

        Args:
            found: B x 3 x H x W, about in [-1, 1], sides of at least 16.
            truth: likewise.

        Returns:
            B, at least 0 with the published heads, which have no negative weights.
        """
        distance = found.new_zeros(len(found))
        a, b = ((images - self.shift) / self.scale for images in (found, truth))
        for number, layers in enumerate(self.net.values()):
            a, b = layers(a), layers(b)  # B x C x h x w
            head = cast(nn.ModuleDict, getattr(self, f"lin{number}"))["model"]
            distance = distance + head((_normed(a) - _normed(b)).square()).mean((1, 2, 3))
        return distance


def load_perceptual(path: Path) -> PerceptualDistance:
    """LPIPS with the weights of a .safetensors file, frozen.

    Raises:
        CheckpointError: the file is missing, damaged, a pickle, or not LPIPS on VGG16.
    """
    network = PerceptualDistance()
    fill(network, read_weights(path), source=path, kind="LPIPS network on VGG16")
    return network.eval().requires_grad_(False)


def _normed(features: Tensor) -> Tensor:
    """To length 1 at each place; a place without any feature has a gradient, too."""
    return features / (1e-8 + features.square().sum(1, keepdim=True)).sqrt()
