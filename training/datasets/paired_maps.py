"""Datasets of images and class maps in two folders, paired by name: COCO-Stuff and ADE20K."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from instructseq_training.datasets.class_maps import ClassMap
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.files import first_few, listed
from instructseq_training.datasets.record import Record

_COCO_NAME = re.compile(r"\d{12}")


@dataclass(frozen=True, kw_only=True)
class PairedMaps:
    """A `Split` of image files and map files of equal names.

    Attributes:
        images: folder of NAME.jpg.
        maps: folder of NAME.png.
        label_set: of the maps.
        names: in order.
    """

    images: Path
    maps: Path
    label_set: str
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Record:
        name = self.names[index]
        return Record(
            key=name,
            image=self.images / f"{name}.jpg",
            image_id=int(name) if _COCO_NAME.fullmatch(name) else None,
            classes=ClassMap(source=self.maps / f"{name}.png", label_set=self.label_set),
        )

    @property
    def image_ids(self) -> Sequence[int]:
        """COCO's numbers, where the names are such numbers."""
        return [int(name) for name in self.names if _COCO_NAME.fullmatch(name)]

    def counts(self) -> Mapping[str, int]:
        """How many images."""
        return {"images": len(self.names)}


def open_paired_maps(images: Path, maps: Path, *, label_set: str) -> PairedMaps:
    """Pair the files of two folders.

    Raises:
        DatasetError: a folder is missing or empty, or an image or a map has no partner.
    """
    pictures = {name[:-4] for name in listed(images, [".jpg"])}
    drawn = {name[:-4] for name in listed(maps, [".png"])}
    if not drawn:
        raise DatasetError(f"{maps} holds no maps (*.png); unpack the archive of annotations there")
    for lacking, what in ((drawn - pictures, f"image in {images}"), (pictures - drawn, f"map in {maps}")):
        if lacking:
            raise DatasetError(f"{len(lacking)} names have no {what} ({first_few(sorted(lacking))}); unpack it again")
    return PairedMaps(images=images, maps=maps, label_set=label_set, names=tuple(sorted(drawn)))
