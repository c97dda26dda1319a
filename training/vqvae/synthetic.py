"""Random maps of overlapping shapes, for training before any scene is rendered and for variety beside them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from instructseq_training.vqvae.maps import Ids

SUBPIXEL_BITS = 4  # OpenCV draws polygons with this many fractional bits


def outline(rng: np.random.Generator, *, centre: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """A random closed outline: ellipse, box, polygon or lobed blob, turned and stretched.

    Args:
        rng: the source of chance.
        centre: x, y in pixels.
        radius: about half the size, pixels.

    Returns:
        K x 2 points in pixels.
    """
    kind = rng.integers(4)
    if kind == 1:
        unit = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, 7)) if kind == 2 else np.linspace(0, 2 * np.pi, 28, endpoint=False)
        distance = np.ones_like(angles)
        if kind == 3:
            for lobes in (2, 3, 5):
                distance += rng.uniform(0, 0.8 / lobes) * np.cos(lobes * angles + rng.uniform(0, 2 * np.pi))
        unit = np.stack([np.cos(angles), np.sin(angles)], 1) * distance[:, None]
    stretch = np.exp(rng.uniform(-1.1, 1.1) / 2 * np.array([1.0, -1.0]))
    turn = rng.uniform(0, np.pi) if rng.random() < 0.7 else 0.0
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points: NDArray[np.float64] = (unit * stretch * radius) @ rotation.T + centre
    return points


def fill_outline(ids: Ids, points: NDArray[np.float64], value: int) -> None:
    """Set every pixel inside the outline to `value`, in place."""
    fixed = np.round(points * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(ids, [fixed], value, shift=SUBPIXEL_BITS)


@dataclass(frozen=True, kw_only=True)
class SyntheticMaps:
    """A `MapSource` of random shapes.

    Args:
        side: of the maps, pixels.
        classes: number of classes; values 1 to `classes`, and 0 for unlabelled.
        named_colours: number of colours of referring maps.
    """

    side: int
    classes: int
    named_colours: int

    def semantic(self, rng: np.random.Generator) -> Ids:
        """Two to four large regions (walls, floor, table) under 3 to 16 objects, now and then with unlabelled parts."""
        ids: Ids = np.full((self.side, self.side), rng.integers(1, self.classes + 1), np.uint8)
        for _ in range(rng.integers(1, 4)):
            self._half_plane(ids, rng)
        for _ in range(rng.integers(3, 17)):
            value = 0 if rng.random() < 0.05 else int(rng.integers(1, self.classes + 1))
            fill_outline(ids, self._outline(rng), value)
            if rng.random() < 0.15:
                fill_outline(ids, self._outline(rng, smallest=0.01, largest=0.05), value)
        return ids

    def referring(self, rng: np.random.Generator) -> Ids:
        """Silhouettes of one to three objects in one colour, some partly hidden; one in twelve maps is empty."""
        ids: Ids = np.zeros((self.side, self.side), np.uint8)
        if rng.random() < 1 / 12:
            return ids
        colour = int(rng.integers(1, self.named_colours + 1))
        for _ in range(1 + rng.integers(3) * (rng.random() < 0.4)):
            fill_outline(ids, self._outline(rng), colour)
        for _ in range(rng.integers(3)):
            fill_outline(ids, self._outline(rng, largest=0.15), 0)
        return ids

    def _outline(
        self, rng: np.random.Generator, *, smallest: float = 0.025, largest: float = 0.3
    ) -> NDArray[np.float64]:
        radius = self.side * smallest * (largest / smallest) ** rng.random()
        return outline(rng, centre=rng.uniform(0, self.side, 2), radius=radius)

    def _half_plane(self, ids: Ids, rng: np.random.Generator) -> None:
        """Everything on one side of a line, mostly a nearly level or upright one, as edges of rooms and tables are."""
        turn = rng.integers(4) * np.pi / 2 + rng.normal(0, 0.25)
        along = np.array([np.cos(turn), np.sin(turn)]) * 3 * self.side
        across = np.array([-along[1], along[0]])
        anchor = rng.uniform(0.1, 0.9, 2) * self.side
        corners = np.stack([anchor - along, anchor + along, anchor + along + across, anchor - along + across])
        fill_outline(ids, corners, int(rng.integers(1, self.classes + 1)))
