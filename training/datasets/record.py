"""What every dataset is read as: one record an image, whose pictures and masks are decoded when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from instructseq_training.datasets.class_maps import ClassMap
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.outlines import Outline
from instructseq_training.datasets.sources import Source, read_rgb


@dataclass(frozen=True, kw_only=True)
class Target:
    """One object that expressions refer to.

    Attributes:
        outline: its shape.
        box: x1, y1, x2, y2 in pixels as published; None where the publisher gives none.
    """

    outline: Outline
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Expression:
    """Words and what they mean.

    Attributes:
        text: as published.
        targets: places in the record's `targets`; empty for words that mean nothing in the image.
        kind: of rendered scenes' expressions ("name", "relation", ...), "" elsewhere.
    """

    text: str
    targets: tuple[int, ...]
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One image and everything that its dataset says about it.

    Attributes:
        key: unique in its dataset and split; letters, digits, "-" and "_".
        image: its file or bytes, as published.
        image_id: COCO's number of the image, None for images that are not COCO's.
        size_wh: width and height that the annotations were made for, None if not said.
        classes: the map of classes, None where there is none.
        targets: the objects that expressions refer to.
        expressions: words that refer to them.
        captions: sentences about the whole image.
    """

    key: str
    image: Source
    image_id: int | None = None
    size_wh: tuple[int, int] | None = None
    classes: ClassMap | None = None
    targets: tuple[Target, ...] = ()
    expressions: tuple[Expression, ...] = ()
    captions: tuple[str, ...] = ()

    def rgb(self) -> NDArray[np.uint8]:
        """The image, H x W x 3.

        Raises:
            DatasetError: it cannot be read, or its size is not that of its annotations.
        """
        rgb = read_rgb(self.image)
        found = (rgb.shape[1], rgb.shape[0])
        if self.size_wh not in (None, found):
            raise DatasetError(f"image {self.key} is {found}, its annotations are for {self.size_wh}; fetch it again")
        return rgb

    def mask(self, targets: Sequence[int], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
        """Union of some targets.

        Args:
            targets: places in `targets`; none of them gives an empty mask.
            size_hw: of the image.

        Returns:
            H x W.

        Raises:
            DatasetError: an outline is damaged or does not fit the image.
        """
        union = np.zeros(size_hw, bool)
        for place in targets:
            union |= self.targets[place].outline.mask(size_hw)
        return union

    def class_ids(self, size_hw: tuple[int, int]) -> NDArray[np.uint8]:
        """The map of classes, H x W, ids of its label set.

        Raises:
            DatasetError: there is none, it is damaged, or has another size than the image.
        """
        if self.classes is None:
            raise DatasetError(f"image {self.key} has no map of classes; ask its dataset for another task")
        ids = self.classes.ids()
        if ids.shape != size_hw:
            raise DatasetError(f"the map of {self.key} is {ids.shape}, its image {size_hw}; fetch both again")
        return ids


class Split(Protocol):
    """The records of one split, each made when asked for."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, index: int) -> Record:
        """One of them, from 0; the order is always the same."""

    @property
    def image_ids(self) -> Sequence[int]:
        """COCO's image numbers of all records, in order; empty where the images are not COCO's."""

    def counts(self) -> Mapping[str, int]:
        """What can be compared with the published numbers: images, refs, sentences, captions, classes."""


@dataclass(frozen=True)
class Subset:
    """Some records of a split.

    Attributes:
        whole: the split.
        kept: places in it.
    """

    whole: Split
    kept: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: int) -> Record:
        return self.whole[self.kept[index]]

    @property
    def image_ids(self) -> Sequence[int]:
        """As `Split.image_ids`."""
        ids = self.whole.image_ids
        return [ids[place] for place in self.kept] if ids else ()

    def counts(self) -> Mapping[str, int]:
        """Images only: the others are published for whole splits."""
        return {"images": len(self.kept)}
