"""Codes of places, by sines and cosines: near places get near codes, on a line and on a grid."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

HIGHEST_FREQUENCY = 64.0
"""Half waves along a line: a hundredth of it is a large change of code, a thousandth a small one."""


def grid_positions(side: int, width: int) -> Tensor:
    """Codes of row and column, side*side x width: equal places get equal codes on grids of any side."""
    if _shapes_only():
        return torch.empty(side * side, width)
    place = (torch.arange(side) + 0.5) / side  # side
    # The device is named because transformers hides linspace from `torch.device("meta")` once it has loaded a model.
    octaves = torch.linspace(0.0, math.log(4.0 * side), width // 4, device=place.device)
    frequency = torch.exp(octaves) * math.pi / 2
    wave = place[:, None] * frequency  # side x width/4
    axis = torch.cat([wave.sin(), wave.cos()], -1)  # side x width/2
    rows = axis[:, None].expand(side, side, -1)
    columns = axis[None].expand(side, side, -1)
    return F.pad(torch.cat([rows, columns], -1).reshape(side * side, -1), (0, width - 4 * (width // 4)))


def line_positions(count: int, width: int) -> Tensor:
    """Codes of the centres of `count` bins along a line, count x width."""
    if _shapes_only():
        return torch.empty(count, width)
    return place_codes((torch.arange(count) + 0.5) / count, width)


def _shapes_only() -> bool:
    """Whether nothing but shapes is wanted: computing on the device "meta" imports PyTorch's compiler."""
    return torch.get_default_device().type == "meta"


def place_codes(places: Tensor, width: int) -> Tensor:
    """Codes of places on a line, each in [0, 1]: ... to ... x width."""
    frequency = torch.exp(torch.linspace(0.0, math.log(HIGHEST_FREQUENCY), width // 2, device=places.device)) * math.pi
    wave = places[..., None] * frequency
    return F.pad(torch.cat([wave.sin(), wave.cos()], -1), (0, width - 2 * (width // 2)))
