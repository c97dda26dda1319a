"""Encoder and decoder of latent diffusion's autoencoders, with its parameter names.

The layers follow `ldm/modules/diffusionmodules/model.py` of Rombach et al., "High-Resolution Image Synthesis with
Latent Diffusion Models" (CVPR 2022), so that the published vq-f8 weights load by name. Two things are added: smaller
shapes (no attention in the middle) and a normalisation that looks at one position only, see `PixelNorm`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Normalization = Literal["group", "pixel"]


class PixelNorm(nn.Module):
    """Group normalisation over the channels of each position, as one group.

    `nn.GroupNorm` takes its mean over the whole picture, so that one object changes the code of every other cell. Here
    a code depends on its neighbourhood only: flat regions keep one code, and training on crops transfers to whole maps.

    Args:
        channels: number of channels, with a learned scale and shift each, named as in `nn.GroupNorm`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise B x C x H x W; the same shape comes back."""
        last = x.permute(0, 2, 3, 1)  # B x H x W x C: no copy in the channels-last layout
        return F.layer_norm(last, last.shape[-1:], self.weight, self.bias, 1e-6).permute(0, 3, 1, 2)


def normalization_layer(channels: int, kind: Normalization) -> nn.Module:
    """Latent diffusion's GroupNorm (32 groups; fewer where there are few channels) or `PixelNorm`."""
    if kind == "pixel":
        return PixelNorm(channels)
    return nn.GroupNorm(max(1, min(32, channels // 4)), channels, eps=1e-6)


class ResnetBlock(nn.Module):
    """Two 3 x 3 convolutions with a shortcut, 1 x 1 where the width changes."""

    def __init__(self, channels_in: int, channels_out: int, *, normalization: Normalization) -> None:
        super().__init__()
        self.norm1 = normalization_layer(channels_in, normalization)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.norm2 = normalization_layer(channels_out, normalization)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else None

    def forward(self, x: Tensor) -> Tensor:
        """B x C_in x H x W -> B x C_out x H x W."""
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return cast(Tensor, h + (x if self.nin_shortcut is None else self.nin_shortcut(x)))


class AttnBlock(nn.Module):
    """Single-head attention between all positions, with 1 x 1 convolutions as projections."""

    def __init__(self, channels: int, *, normalization: Normalization) -> None:
        super().__init__()
        self.norm = normalization_layer(channels, normalization)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W; the same shape comes back."""
        h = self.norm(x)
        q, k, v = (layer(h).flatten(2).transpose(1, 2)[:, None] for layer in (self.q, self.k, self.v))  # B x 1 x HW x C
        h = F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2).reshape_as(x)  # B x C x H x W
        return cast(Tensor, x + self.proj_out(h))


class Downsample(nn.Module):
    """Halve the side by a strided convolution; padded on the right and at the bottom only, as published."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W -> B x C x H/2 x W/2."""
        return cast(Tensor, self.conv(F.pad(x, (0, 1, 0, 1))))


class Upsample(nn.Module):
    """Double the side by nearest neighbour, then convolve."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W -> B x C x 2H x 2W."""
        return cast(Tensor, self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest")))


class Middle(nn.Module):
    """The blocks at the lowest resolution."""

    def __init__(self, channels: int, *, attention: bool, normalization: Normalization) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, normalization=normalization)
        self.attn_1 = AttnBlock(channels, normalization=normalization) if attention else nn.Identity()
        self.block_2 = ResnetBlock(channels, channels, normalization=normalization)

    def forward(self, x: Tensor) -> Tensor:
        """B x C x h x w; the same shape comes back."""
        return cast(Tensor, self.block_2(self.attn_1(self.block_1(x))))


class Level(nn.Module):
    """Residual blocks of one resolution, each followed by attention where wanted, and a change of resolution."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        blocks: int,
        attention: bool,
        normalization: Normalization,
    ) -> None:
        super().__init__()
        widths = [channels_in] + [channels_out] * blocks
        self.block = nn.ModuleList(
            ResnetBlock(before, after, normalization=normalization) for before, after in itertools.pairwise(widths)
        )
        self.attn = nn.ModuleList(
            AttnBlock(channels_out, normalization=normalization) for _ in range(blocks if attention else 0)
        )
        self.downsample: Downsample | None = None
        self.upsample: Upsample | None = None

    def forward(self, x: Tensor) -> Tensor:
        """B x C_in x H x W -> B x C_out x H' x W', H' half, equal or double."""
        for index, block in enumerate(self.block):
            x = block(x)
            if len(self.attn):
                x = self.attn[index](x)
        for resample in (self.downsample, self.upsample):
            x = x if resample is None else resample(x)
        return x


class Encoder(nn.Module):
    """Pictures to latents, each level but the last halving the side.

    Args:
        channels: width of the first level; level i has `channels * multipliers[i]`.
        multipliers: one a level, so that the side shrinks by 2 ** (len(multipliers) - 1).
        blocks: residual blocks a level.
        attention: for each level whether attention follows its blocks.
        mid_attention: attention at the lowest resolution (always there in the published models).
        latent_channels: channels of the result.
        normalization: "group" as published, or "pixel".
        patch: 1 as published; p > 1 gathers p x p pixels into the channels of one position before the first
            convolution, which for flat colours costs little and saves the expensive levels.
    """

    def __init__(
        self,
        *,
        channels: int,
        multipliers: Sequence[int],
        blocks: int,
        attention: Sequence[bool],
        mid_attention: bool,
        latent_channels: int,
        normalization: Normalization,
        patch: int = 1,
    ) -> None:
        super().__init__()
        self.patch = patch
        widths = [channels] + [channels * factor for factor in multipliers]
        self.conv_in = nn.Conv2d(3 * patch * patch, channels, 3, padding=1)
        self.down = nn.ModuleList()
        for index, attended in enumerate(attention):
            level = Level(
                widths[index], widths[index + 1], blocks=blocks, attention=attended, normalization=normalization
            )
            if index + 1 < len(multipliers):
                level.downsample = Downsample(widths[index + 1])
            self.down.append(level)
        self.mid = Middle(widths[-1], attention=mid_attention, normalization=normalization)
        self.norm_out = normalization_layer(widths[-1], normalization)
        self.conv_out = nn.Conv2d(widths[-1], latent_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """B x 3 x H x W in [-1, 1] -> B x Z x h x w."""
        x = self.conv_in(F.pixel_unshuffle(x, self.patch))
        for level in self.down:
            x = level(x)
        return cast(Tensor, self.conv_out(F.silu(self.norm_out(self.mid(x)))))


class Decoder(nn.Module):
    """Latents to pictures: the mirror of `Encoder`, with one residual block more a level. Arguments as there."""

    def __init__(
        self,
        *,
        channels: int,
        multipliers: Sequence[int],
        blocks: int,
        attention: Sequence[bool],
        mid_attention: bool,
        latent_channels: int,
        normalization: Normalization,
        patch: int = 1,
    ) -> None:
        super().__init__()
        self.patch = patch
        widths = [channels * factor for factor in multipliers]
        widths.append(widths[-1])  # the middle is as wide as the lowest level
        self.conv_in = nn.Conv2d(latent_channels, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1], attention=mid_attention, normalization=normalization)
        self.up = nn.ModuleList()  # numbered by resolution as published: up.0 is the finest and runs last
        for index, attended in enumerate(attention):
            level = Level(
                widths[index + 1], widths[index], blocks=blocks + 1, attention=attended, normalization=normalization
            )
            if index > 0:
                level.upsample = Upsample(widths[index])
            self.up.append(level)
        self.norm_out = normalization_layer(widths[0], normalization)
        self.conv_out = nn.Conv2d(widths[0], 3 * patch * patch, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """B x Z x h x w -> B x 3 x H x W, about in [-1, 1]."""
        x = self.mid(self.conv_in(z))
        for level in reversed(self.up):
            x = level(x)
        return F.pixel_shuffle(self.conv_out(F.silu(self.norm_out(x))), self.patch)
