"""Vision Transformers as MAE, CLIP and DINOv2 have them, under timm's key names.

timm has them too, and is what the tests compare with; but importing it takes longer than all the rest of a start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instructseq_model.transformer import KeyValues, attend


@dataclass(frozen=True, kw_only=True)
class VisionTransformerConfig:
    """Shape of a Vision Transformer.

    Attributes:
        patch: side of a patch, pixels.
        width: features of a patch, D.
        depth: number of blocks.
        heads: attention heads; divides `width`.
        epsilon: of all norms.
        activation: "quick_gelu" is CLIP's x * sigmoid(1.702 x).
        pre_norm: a norm before the first block, and patches without a bias, as CLIP has it.
        layer_scale: each branch's features scaled by learned factors, as DINOv2 has it.
    """

    patch: int
    width: int
    depth: int
    heads: int
    epsilon: float = 1e-6
    activation: Literal["gelu", "quick_gelu"] = "gelu"
    pre_norm: bool = False
    layer_scale: bool = False

    def build(self, image_size: int) -> VisionTransformer:
        """A network for square images of so many pixels a side, with random weights."""
        return VisionTransformer(self, image_size=image_size)


class VisionTransformer(nn.Module):
    """Pixels to one state per patch, after the states of a class token.

    Attributes:
        embed_dim: D.
        blocks: in order.
    """

    def __init__(self, config: VisionTransformerConfig, *, image_size: int) -> None:
        super().__init__()
        width = config.width
        self.embed_dim = width
        self.patch_embed = _Patches(config)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + (image_size // config.patch) ** 2, width))
        self.norm_pre = nn.LayerNorm(width, eps=config.epsilon) if config.pre_norm else nn.Identity()
        self.blocks = nn.Sequential(*(_Block(config) for _ in range(config.depth)))
        self.norm = nn.LayerNorm(width, eps=config.epsilon)
        self._initialise()

    def _initialise(self) -> None:
        nn.init.normal_(self.cls_token, std=1e-6)
        nn.init.normal_(self.pos_embed, std=0.02)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=0.02)
                nn.init.zeros_(part.bias)

    def forward_features(self, pixels: Tensor) -> Tensor:
        """Normed states of the last block: normalised pixels B x 3 x S x S to B x (1 + N) x D."""
        return self.forward_intermediates(pixels, indices=())[0]

    def forward_intermediates(self, pixels: Tensor, *, indices: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
        """Normed states of the last block, and states of inner ones as they are.

        Args:
            pixels: B x 3 x S x S, normalised.
            indices: 0-based blocks whose states are given.

        Returns:
            B x (1 + N) x D with the class token first, and of each inner block B x N x D without it.
        """
        x = self.patch_embed(pixels)  # B x N x D
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embed
        x = self.norm_pre(x)
        inner: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in indices:
                inner.append(x[:, 1:])
        return self.norm(x), inner


class _Patches(nn.Module):
    def __init__(self, config: VisionTransformerConfig) -> None:
        super().__init__()
        side = config.patch
        self.proj = nn.Conv2d(3, config.width, kernel_size=side, stride=side, bias=not config.pre_norm)

    def forward(self, pixels: Tensor) -> Tensor:
        patches: Tensor = self.proj(pixels)  # B x D x h x w
        return patches.flatten(2).transpose(1, 2)


class _Block(nn.Module):
    """Pre-norm block."""

    def __init__(self, config: VisionTransformerConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=config.epsilon)
        self.attn = _Attention(config)
        self.ls1 = _LayerScale(config.width) if config.layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(config.width, eps=config.epsilon)
        self.mlp = _Mlp(config)
        self.ls2 = _LayerScale(config.width) if config.layer_scale else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class _Attention(nn.Module):
    def __init__(self, config: VisionTransformerConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.proj = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        rows, length, width = x.shape
        split = self.qkv(x).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each B x H x (1 + N) x d
        attended = attend(query, KeyValues(key, value))
        out: Tensor = self.proj(attended.transpose(1, 2).reshape(rows, length, width))
        return out


class _Mlp(nn.Module):
    def __init__(self, config: VisionTransformerConfig) -> None:
        super().__init__()
        self.activation = config.activation
        self.fc1 = nn.Linear(config.width, 4 * config.width)
        self.fc2 = nn.Linear(4 * config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        x = F.gelu(x) if self.activation == "gelu" else x * torch.sigmoid(1.702 * x)
        out: Tensor = self.fc2(x)
        return out


class _LayerScale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


def resampled_positions(rows: Tensor, *, tokens: int, antialias: bool) -> Tensor:
    """Position embeddings of a square grid brought to another one, by bicubic interpolation.

    Args:
        rows: 1 x (1 + N) x D, that of the class token first.
        tokens: 1 + the number of patches wanted.
        antialias: how a finer grid becomes a coarser one.
    """
    new, old = math.isqrt(tokens - 1), math.isqrt(rows.shape[1] - 1)
    grid = rows[:, 1:].float().unflatten(1, (old, old)).movedim(-1, 1)  # 1 x D x h x w
    return torch.cat([rows[:, :1], _resized(grid, new, antialias).flatten(2).mT.to(rows.dtype)], 1)


def resampled_grid(grid: Tensor, *, side: int, antialias: bool) -> Tensor:
    """The same for embeddings of a grid without a class token, 1 x h x w x D, as SAM has them."""
    return _resized(grid.float().movedim(-1, 1), side, antialias).movedim(1, -1).to(grid.dtype)


def _resized(grid: Tensor, side: int, antialias: bool) -> Tensor:
    return F.interpolate(grid, size=(side, side), mode="bicubic", antialias=antialias)
