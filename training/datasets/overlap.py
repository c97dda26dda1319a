"""Training on RefCOCO, RefCOCO+, RefCOCOg and gRefCOCO together without seeing their evaluation images.

All four are made of COCO's train2014, divided differently: an image that RefCOCOg trains on may be in RefCOCO's testA.
So whichever of them is trained on loses every image that any of them evaluates on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from instructseq_training.datasets.grefcoco import FOLDER as GREFCOCO
from instructseq_training.datasets.grefcoco import REFS as GREFCOCO_REFS
from instructseq_training.datasets.grefcoco import read_grefcoco
from instructseq_training.datasets.record import Split, Subset
from instructseq_training.datasets.refcoco import REFS, read_refcoco
from instructseq_training.datasets.referring import Reference
from instructseq_training.datasets.table import open_split

TRAIN = "train"


@dataclass(frozen=True)
class _Family:
    file: str
    read: Callable[[Path], Sequence[Reference]]


FAMILY: Mapping[str, _Family] = MappingProxyType(
    {
        **{name: _Family(f"{name}/{refs}", partial(read_refcoco, name=name)) for name, refs in REFS.items()},
        GREFCOCO: _Family(f"{GREFCOCO}/{GREFCOCO_REFS}", read_grefcoco),
    }
)
"""The datasets that share images, and where their references are."""


@dataclass(frozen=True, kw_only=True)
class HeldOutImages:
    """Images that are never trained on.

    Attributes:
        image_ids: COCO's numbers.
        compared: the datasets whose evaluation images they are.
        absent: datasets of the family that are not on disk, so that their images could not be left out.
    """

    image_ids: frozenset[int]
    compared: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TrainingSplit:
    """What may be trained on.

    Attributes:
        split: without the images that are held out.
        dropped: how many images were left out.
        held_out: what was compared with; None for datasets outside the family.
    """

    split: Split
    dropped: int = 0
    held_out: HeldOutImages | None = None

    def message(self, name: str) -> str:
        """One line to be printed about what was left out."""
        if self.held_out is None:
            return f"{name}: {len(self.split)} training images"
        total = len(self.split) + self.dropped
        text = (
            f"{name}: {self.dropped} of {total} training images dropped, "
            f"because they are in val or test splits of {', '.join(self.held_out.compared)}"
        )
        if self.held_out.absent:
            text += f"; not compared with {', '.join(self.held_out.absent)}, which is not on disk"
        return text


def held_out_images(root: Path) -> HeldOutImages:
    """The images of every split but `train` of every dataset of the family that is on disk.

    Raises:
        DatasetError: a file of references is damaged.
    """
    compared = tuple(name for name, member in FAMILY.items() if (root / member.file).is_file())
    references = (reference for name in compared for reference in FAMILY[name].read(root))
    return HeldOutImages(
        image_ids=frozenset(reference.image_id for reference in references if reference.split != TRAIN),
        compared=compared,
        absent=tuple(name for name in FAMILY if name not in compared),
    )


def open_training_split(root: Path, name: str, *, held_out: HeldOutImages | None = None) -> TrainingSplit:
    """The training split of a dataset, for the family without the images that any of them evaluates on.

    Args:
        root: folder of all datasets.
        name: of the dataset.
        held_out: what `held_out_images` gave, to read it once for several datasets; read if not given.

    Raises:
        DatasetError: the dataset, or a file of references, is missing or damaged.
    """
    split = open_split(root, name, TRAIN)
    if name not in FAMILY:
        return TrainingSplit(split=split)
    held_out = held_out or held_out_images(root)
    kept = tuple(place for place, image in enumerate(split.image_ids) if image not in held_out.image_ids)
    return TrainingSplit(split=Subset(split, kept), dropped=len(split) - len(kept), held_out=held_out)
