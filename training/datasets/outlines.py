"""Shapes of objects as their publishers store them: polygons, run lengths, mask pictures. Decoded when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.sources import Source, read_grey, read_indices

FOREGROUND = 128
"""The least brightness of an object's pixels in a mask picture."""


class Outline(Protocol):
    """The shape of one object."""

    def mask(self, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
        """H x W of the image that the object is in."""


@dataclass(frozen=True, kw_only=True)
class Polygons:
    """COCO's polygons.

    Attributes:
        parts: each x1, y1, x2, y2 ... in pixels; the object is their union.
    """

    parts: tuple[tuple[float, ...], ...]

    def mask(self, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
        """As pycocotools draws them.

        Raises:
            DatasetError: a polygon has fewer than three corners.
        """
        if not self.parts or any(len(part) < 6 or len(part) % 2 for part in self.parts):
            raise DatasetError("an object has a polygon of fewer than three corners; fetch instances.json again")
        runs = coco_mask.frPyObjects([list(part) for part in self.parts], *size_hw)
        return coco_mask.decode(coco_mask.merge(runs)).astype(bool)


@dataclass(frozen=True, kw_only=True)
class RunLengths:
    """COCO's run lengths, down the columns.

    Attributes:
        counts: lengths in turn of background and object, or the same as COCO's compressed text.
        size_hw: of the image.
    """

    counts: tuple[int, ...] | str
    size_hw: tuple[int, int]

    def mask(self, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
        """As pycocotools draws them.

        Raises:
            DatasetError: they are of an image of another size, or do not add up to it.
        """
        if self.size_hw != size_hw:
            raise DatasetError(f"run lengths are for {self.size_hw}, the image is {size_hw} (height, width)")
        if isinstance(self.counts, str):
            runs = {"size": list(size_hw), "counts": self.counts.encode("ascii")}
        elif sum(self.counts) == size_hw[0] * size_hw[1]:
            runs = coco_mask.frPyObjects({"size": list(size_hw), "counts": list(self.counts)}, *size_hw)
        else:
            raise DatasetError(
                f"run lengths add up to {sum(self.counts)}, the image {size_hw} has {size_hw[0] * size_hw[1]}"
            )
        return coco_mask.decode(runs).astype(bool)


@dataclass(frozen=True, kw_only=True)
class MaskPicture:
    """A picture that is white where the object is."""

    source: Source

    def mask(self, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
        """Where it is brighter than grey.

        Raises:
            DatasetError: it has another size than the image.
        """
        return _of_size(read_grey(self.source), size_hw) >= FOREGROUND


@dataclass(frozen=True, kw_only=True)
class InstancePicture:
    """A picture of object numbers, shared by all objects of an image.

    Attributes:
        source: the picture.
        number: of this object.
    """

    source: Source
    number: int

    def mask(self, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
        """Where the picture has the object's number.

        Raises:
            DatasetError: it has another size than the image.
        """
        return _of_size(read_indices(self.source), size_hw) == self.number


def coco_outline(segmentation: Sequence[Sequence[float]] | Mapping[str, Any]) -> Outline:
    """The outline of an annotation's `segmentation`: polygons, or run lengths where it is a crowd.

    Raises:
        DatasetError: it is neither.
    """
    try:
        if isinstance(segmentation, Mapping):
            counts, (height, width) = segmentation["counts"], segmentation["size"]
            return RunLengths(counts=counts if isinstance(counts, str) else tuple(counts), size_hw=(height, width))
        return Polygons(parts=tuple(tuple(map(float, part)) for part in segmentation))
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"a segmentation is neither polygons nor run lengths ({error}); fetch it again") from error


def _of_size(picture: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    if picture.shape != size_hw:
        raise DatasetError(f"a mask is {picture.shape}, its image {size_hw} (height, width); fetch both again")
    return picture
