"""Flat-colour maps as class indices with a palette: what the VQ-VAE learns to write and read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FAR_AWAY = 1e3  # a padding entry of a palette: no pixel is ever nearest to it

Ids = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Palettes:
    """The colours of both kinds of map; entry 0 is black in both.

    Args:
        semantic: N + 1 x 3, uint8: black (unlabelled), then the N class colours.
        referring: M + 1 x 3, uint8: black (background), then the named colours.
    """

    semantic: NDArray[np.uint8]
    referring: NDArray[np.uint8]

    def tensor(self) -> Tensor:
        """2 x K x 3, float32, colours in [-1, 1]; the shorter palette is padded with unreachable colours."""
        longest = max(len(self.semantic), len(self.referring))
        colours = torch.full((2, longest, 3), FAR_AWAY)
        for row, palette in enumerate((self.semantic, self.referring)):
            colours[row, : len(palette)] = torch.from_numpy(palette.astype(np.float32)) / 127.5 - 1.0
        return colours


@dataclass(frozen=True, kw_only=True)
class MapBatch:
    """Maps of both kinds.

    Args:
        ids: B x H x W, long: row of the map's own palette.
        kinds: B, long: 0 semantic, 1 referring; a row of `Palettes.tensor`.
    """

    ids: Tensor
    kinds: Tensor

    def part(self, index: int, count: int) -> MapBatch:
        """Every `count`-th map from `index` on, so that each part has both kinds."""
        return MapBatch(ids=self.ids[index::count], kinds=self.kinds[index::count])

    def to(self, device: torch.device) -> MapBatch:
        """The same maps on a device."""
        return MapBatch(ids=self.ids.to(device), kinds=self.kinds.to(device))

    def images(self, colours: Tensor) -> Tensor:
        """B x 3 x H x W in [-1, 1], painted with `Palettes.tensor`, in the channels-last layout."""
        painted = colours[self.kinds[:, None, None], self.ids]  # B x H x W x 3
        return painted.permute(0, 3, 1, 2)  # channels last already


class MapSource(Protocol):
    """Where whole maps come from."""

    def semantic(self, rng: np.random.Generator) -> Ids:
        """Side x side, in [0, N]: 0 unlabelled, i + 1 class i."""

    def referring(self, rng: np.random.Generator) -> Ids:
        """Side x side: 0 background, one other value, the row of a named colour."""


def draw_batch(
    source: MapSource,
    seed: tuple[int, ...],
    *,
    maps: int,
    crop: int,
    referring_share: float,
    rank: int = 0,
    world: int = 1,
) -> MapBatch:
    """Cut each of `maps` fresh maps into all its crops of side `crop`, first the semantic ones.

    Args:
        source: whole maps whose side is a multiple of `crop`.
        seed: with a map's number the only source of chance, so that a step's maps depend on seed and step alone.
        maps: how many whole maps, a multiple of `world`.
        crop: pixels; the side of the whole map for no cropping.
        referring_share: part of `maps` that are referring maps, in [0, 1].
        rank: of this process, which draws every `world`-th map only.
        world: how many processes divide the maps.

    Returns:
        maps / world * (side / crop) ** 2 crops. Flat ones stay in: the flat codes are what must come out right most
        often.
    """
    semantic = maps - round(maps * referring_share)
    numbers = range(rank, maps, world)
    draw = [source.semantic if number < semantic else source.referring for number in numbers]
    whole = [make(np.random.default_rng((*seed, number))) for make, number in zip(draw, numbers, strict=True)]
    stack = torch.from_numpy(np.stack(whole)).long()  # M x H x W
    parts = stack.shape[-1] // crop
    ids = stack.view(-1, parts, crop, parts, crop).transpose(2, 3).reshape(-1, crop, crop)  # M*parts^2 x crop x crop
    kinds = torch.tensor([int(number >= semantic) for number in numbers]).repeat_interleave(parts * parts)
    return MapBatch(ids=ids, kinds=kinds)
