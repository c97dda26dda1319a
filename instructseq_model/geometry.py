"""How a source image lies in the model's square, and the way back to the source's pixels.

Coordinates are continuous: pixel i covers [i, i + 1), so that an image of width w reaches from 0 to w.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from instructseq_model.errors import ImageError

LARGEST_SIDE = 16384
PADDING_COLOUR = (124, 116, 104)  # the mean of ImageNet: zero for the encoders after normalisation


@dataclass(frozen=True, kw_only=True)
class Placement:
    """An affine map from the pixels of a source image to those of the model's square, without rotation.

    Attributes:
        size_wh: width and height of the source, pixels.
        side: of the square, pixels.
        content_wh: width and height that the source takes up in the square, whole pixels.
        offset_xy: where its upper left corner lies in the square, whole pixels.
    """

    size_wh: tuple[int, int]
    side: int
    content_wh: tuple[int, int]
    offset_xy: tuple[int, int]

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Pixels of the square per pixel of the source, along x and y."""
        return self.content_wh[0] / self.size_wh[0], self.content_wh[1] / self.size_wh[1]

    def to_model(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points of the source (... x 2, x and y in pixels) as points of the square, in pixels."""
        return np.asarray(points, np.float64) * self.scale_xy + self.offset_xy

    def to_source(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points of the square (... x 2, x and y in pixels) as points of the source, in pixels; not clipped."""
        shifted: NDArray[np.float64] = np.asarray(points, np.float64) - self.offset_xy
        return shifted / self.scale_xy

    def boxes_to_model(self, boxes: ArrayLike) -> NDArray[np.float64]:
        """Boxes of the source (N x 4, x1 y1 x2 y2 in pixels) as parts of the square's side, in [0, 1]."""
        corners = np.asarray(boxes, np.float64).reshape(-1, 2, 2)  # N x corner x xy
        return np.clip(self.to_model(corners) / self.side, 0, 1).reshape(-1, 4)

    def boxes_to_source(self, boxes: ArrayLike) -> NDArray[np.float64]:
        """Boxes as parts of the square's side (N x 4, x1 y1 x2 y2) in pixels of the source, clipped to it."""
        corners = np.asarray(boxes, np.float64).reshape(-1, 2, 2) * self.side  # N x corner x xy
        return np.clip(self.to_source(corners), 0, self.size_wh).reshape(-1, 4)


def stretch(size_wh: tuple[int, int], side: int) -> Placement:
    """Fill the whole square; the aspect ratio changes.

    Args:
        size_wh: width and height of the source, pixels.
        side: of the square, pixels.

    Raises:
        ImageError: the source has no pixels or is absurdly large.
    """
    _check_size(size_wh)
    return Placement(size_wh=size_wh, side=side, content_wh=(side, side), offset_xy=(0, 0))


def letterbox(size_wh: tuple[int, int], side: int) -> Placement:
    """Fit into the square with the aspect ratio kept to whole pixels, centred between two bars; as `stretch` else."""
    _check_size(size_wh)
    scale = side / max(size_wh)
    width, height = (max(1, round(length * scale)) for length in size_wh)
    return Placement(
        size_wh=size_wh,
        side=side,
        content_wh=(width, height),
        offset_xy=((side - width) // 2, (side - height) // 2),
    )


FITS: dict[str, Callable[[tuple[int, int], int], Placement]] = {"stretch": stretch, "letterbox": letterbox}
"""The ways of an image into the model's square, by the names that configurations have for them."""


def fit_image(image: NDArray[np.uint8], *, fit: str, side: int) -> tuple[Placement, NDArray[np.uint8]]:
    """Bring an image into the model's square.

    Args:
        image: H x W x 3, RGB.
        fit: one of `FITS`.
        side: of the square, pixels.

    Returns:
        How the image lies in the square, and the square as `resize_image` makes it.

    Raises:
        ImageError: as `check_image`.
    """
    height, width = check_image(image).shape[:2]
    placement = FITS[fit]((width, height), side)
    return placement, resize_image(image, placement)


def check_image(image: object) -> NDArray[np.uint8]:
    """Return the image if it is one that can be perceived.

    Raises:
        ImageError: it is no H x W x 3 uint8 array, has no pixels, or has a side above `LARGEST_SIDE`.
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(f"an image must be a NumPy array, got {type(image).__name__}; convert it with numpy.asarray")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ImageError(f"an image must be H x W x 3 RGB and uint8, got {image.shape} {image.dtype}; convert it first")
    _check_size((image.shape[1], image.shape[0]))
    return image


def resize_image(image: NDArray[np.uint8], placement: Placement) -> NDArray[np.uint8]:
    """Resample an image into the model's square.

    Args:
        image: H x W x 3, RGB, of the size that the placement was made for.
        placement: where it goes.

    Returns:
        side x side x 3; bars, if any, have `PADDING_COLOUR`.

    Raises:
        ImageError: as `check_image`, or the image has another size than the placement.
    """
    height, width = check_image(image).shape[:2]
    if (width, height) != placement.size_wh:
        raise ImageError(
            f"the image is {width} x {height}, its placement was made for {placement.size_wh}; make another"
        )
    new_width, new_height = placement.content_wh
    shrinks = new_width * new_height < width * height
    content = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    if placement.content_wh == (placement.side, placement.side):
        return np.asarray(content, np.uint8)
    square = np.full((placement.side, placement.side, 3), PADDING_COLOUR, np.uint8)
    x, y = placement.offset_xy
    square[y : y + new_height, x : x + new_width] = content
    return square


def map_to_source(
    values: NDArray[Any], placement: Placement, *, method: Literal["nearest", "linear"] = "nearest"
) -> NDArray[Any]:
    """Resample a map that covers the model's square to the pixels of the source image.

    Args:
        values: h x w or h x w x C, any resolution. Class ids need `nearest`.
        placement: how the source lies in the square; what lies in the bars is left out.
        method: value of the cell that a pixel's centre lies in, or linear between the centres of cells.

    Returns:
        H x W (x C) of the source, in the type of `values`; `linear` gives float32.
    """
    width, height = placement.size_wh
    (scale_x, scale_y), (offset_x, offset_y) = placement.scale_xy, placement.offset_xy
    rows, columns = values.shape[:2]
    # Centres of the source's pixels in cells of the map.
    x = ((np.arange(width) + 0.5) * scale_x + offset_x) * (columns / placement.side)
    y = ((np.arange(height) + 0.5) * scale_y + offset_y) * (rows / placement.side)
    if method == "nearest":
        nearest_x, nearest_y = np.minimum(x.astype(int), columns - 1), np.minimum(y.astype(int), rows - 1)
        return values[nearest_y[:, None], nearest_x[None, :]]
    return _linear(_linear(values.astype(np.float32), y - 0.5, axis=0), x - 0.5, axis=1)


def _linear(values: NDArray[np.float32], positions: NDArray[np.float64], *, axis: int) -> NDArray[np.float32]:
    """Values between the indices of one axis; beyond the first and the last index they stay the same."""
    last = values.shape[axis] - 1
    inside = np.clip(positions, 0, last)
    lower = np.minimum(inside.astype(int), max(last - 1, 0))
    weight = (inside - lower).astype(np.float32)
    weight = weight.reshape([-1 if dimension == axis else 1 for dimension in range(values.ndim)])
    below, above = values.take(lower, axis), values.take(np.minimum(lower + 1, last), axis)
    return below + (above - below) * weight


def _check_size(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    if width < 1 or height < 1:
        raise ImageError(f"the image has no pixels ({width} x {height}); check the camera or the file")
    if max(width, height) > LARGEST_SIDE:
        raise ImageError(f"the image is {width} x {height}, no side may exceed {LARGEST_SIDE}; scale it down first")
