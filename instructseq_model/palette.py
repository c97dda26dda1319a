"""Class ids as colours and back: what turns segmentation into painting (paper, section 3.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_model.errors import ConfigError
from instructseq_model.products import product

UNLABELLED_COLOUR = (0, 0, 0)

# What a referred object is painted with. At least 127 apart from each other and 181 from the black around it.
NAMED_COLOURS: MappingProxyType[str, tuple[int, int, int]] = MappingProxyType(
    {
        "red": (255, 0, 0),
        "green": (0, 255, 0),
        "blue": (0, 0, 255),
        "yellow": (255, 255, 0),
        "purple": (128, 0, 128),
        "orange": (255, 128, 0),
        "pink": (255, 128, 192),
        "cyan": (0, 255, 255),
    }
)

_ROWS = 1 << 15  # pixels compared with all colours at a time: bounds the memory of a large map


def evenly_spaced_colours(count: int) -> NDArray[np.uint8]:
    """Colours on a regular grid in RGB space, as far apart as the grid allows; never black.

    The grid has the fewest levels per channel that give `count` colours beside black: 6 for COCO-Stuff and ADE20K,
    at least 51 apart, 4 for 28 to 63 classes, 85 apart. Where there are more grid points than classes, each colour
    is the one farthest from black and from those before it.

    Args:
        count: at least 1.

    Returns:
        count x 3, RGB, always the same for the same count.

    Raises:
        ConfigError: fewer than one colour, or more than there are.
    """
    if not 1 <= count < 256**3:
        raise ConfigError(f"{count} colours were asked for; choose 1 to {256**3 - 1}")
    side = 2
    while side**3 - 1 < count:
        side += 1
    levels = np.round(np.linspace(0, 255, side))
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)  # side^3 x 3
    distance = (grid**2).sum(1)  # squared, to the nearest colour taken so far; black is taken
    chosen = []
    for _ in range(count):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, ((grid - grid[chosen[-1]]) ** 2).sum(1))
    return grid[chosen].astype(np.uint8)


@dataclass(frozen=True)
class LabelSet:
    """Class names in order; a class id is an index into them.

    Attributes:
        name: what the set is called in configurations and messages.
        names: at least one, all different.
    """

    name: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse an empty or ambiguous set."""
        if not self.names or len(set(self.names)) != len(self.names) or not all(n.strip() for n in self.names):
            raise ConfigError(f"label set {self.name!r} needs at least one class, and no empty or repeated names")

    @cached_property
    def colours(self) -> NDArray[np.uint8]:
        """N x 3, RGB by class id; read-only."""
        colours = evenly_spaced_colours(len(self.names))
        colours.setflags(write=False)
        return colours

    @property
    def unlabelled(self) -> int:
        """The id that means no class, one above the last; painted black."""
        return len(self.names)

    @cached_property
    def all_colours(self) -> NDArray[np.uint8]:
        """(N + 1) x 3, RGB by id, black for `unlabelled`; read-only."""
        colours = np.concatenate([self.colours, np.array([UNLABELLED_COLOUR], np.uint8)])
        colours.setflags(write=False)
        return colours

    @property
    def id_type(self) -> type[np.uint8] | type[np.uint16]:
        """The smallest unsigned type that holds every id, unlabelled included."""
        return np.uint8 if self.unlabelled <= 255 else np.uint16


def paint(ids: NDArray[Any], label_set: LabelSet) -> NDArray[np.uint8]:
    """Paint a map of class ids.

    Args:
        ids: H x W, integers from 0 to `label_set.unlabelled`.
        label_set: whose colours to use.

    Returns:
        H x W x 3, RGB.

    Raises:
        ValueError: an id is outside the label set, or `ids` is no map of integers.
    """
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"ids must be H x W integers, got {ids.shape} {ids.dtype}")
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) <= label_set.unlabelled:
        raise ValueError(
            f"ids run from {ids.min()} to {ids.max()}, {label_set.name} has 0 to {label_set.unlabelled} (unlabelled)"
        )
    return label_set.all_colours[ids]


def nearest_class(rgb: NDArray[Any], label_set: LabelSet) -> NDArray[Any]:
    """The class whose colour is nearest to each pixel, by Euclidean distance in RGB; the lower id wins a tie.

    Args:
        rgb: H x W x 3, values 0 to 255, any number type.
        label_set: whose colours to compare with; black competes as unlabelled.

    Returns:
        H x W, `label_set.id_type`, ids from 0 to `label_set.unlabelled`.

    Raises:
        ValueError: `rgb` is no picture with three channels.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"rgb must be H x W x 3, got {rgb.shape}")
    colours = label_set.all_colours.astype(np.float64)  # K x 3
    # |p - c|^2 is least where p.c - |c|^2 / 2 is greatest; whole numbers of this size are exact.
    half_square = (colours**2).sum(1) / 2  # K
    pixels = rgb.reshape(-1, 3)
    ids = np.empty(len(pixels), label_set.id_type)
    for start in range(0, len(pixels), _ROWS):
        ids[start : start + _ROWS] = (product(pixels[start : start + _ROWS], colours.T) - half_square).argmax(1)
    return ids.reshape(rgb.shape[:2])
