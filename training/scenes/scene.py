"""What is known about one rendered frame."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SceneObject:
    """One visible object.

    Attributes:
        index: its value in the instance map, from 1.
        model: the catalogue's id.
        name: spoken name.
        category: class of the household label set.
        colour: colour word where it is clear-cut, else None.
        possible_colours: every word somebody might use.
        size_m: width, depth, height in metres.
        box: x1, y1, x2, y2 of the visible mask in pixels; x2 and y2 are one past the last.
        pixels: of the visible mask.
        centroid: x, y of the visible mask in pixels.
        distance: of its centre from the camera, metres.
        position: of its centre in the world, metres.
        held_out: whether its model or name is kept from training.
    """

    index: int
    model: str
    name: str
    category: str
    colour: str | None
    possible_colours: tuple[str, ...]
    size_m: tuple[float, float, float]
    box: tuple[int, int, int, int]
    pixels: int
    centroid: tuple[float, float]
    distance: float
    position: tuple[float, float, float]
    held_out: bool

    def as_json(self) -> dict[str, Any]:
        """Plain values, with `category` under the key `class`."""
        values = asdict(self)
        values["class"] = values.pop("category")
        return values


@dataclass(frozen=True)
class Expression:
    """A phrase and what it means.

    Attributes:
        text: such as "the red mug left of the laptop".
        kind: name, colour, size, side, ordinal, superlative, relation, all or none.
        targets: indices of the objects meant; empty for `none`.
    """

    text: str
    kind: str
    targets: tuple[int, ...]


@dataclass(frozen=True)
class Frame:
    """One picture and its truth.

    Attributes:
        rgb: H x W x 3, uint8.
        instances: H x W, uint8; 0 none, else an object's index.
        classes: H x W, uint8; ids of the household label set.
        place: `table` or `room`.
        objects: the visible objects.
    """

    rgb: NDArray[np.uint8]
    instances: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    place: str
    objects: tuple[SceneObject, ...]
