"""COCO Captions: Karpathy's split (`dataset_coco.json`) and the official one of 2014 (`captions_*2014.json`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from instructseq_training.datasets.coco_images import COCO, CocoImages
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.files import entries, read_json
from instructseq_training.datasets.record import Record

KARPATHY = "dataset_coco.json"
_KARPATHY_PARTS = {"train": ("train", "restval"), "val": ("val",), "test": ("test",)}


@dataclass(frozen=True)
class CaptionSplit:
    """A `Split` of images and sentences about them.

    Attributes:
        images: where the pictures are.
        captions: by image number, in the order of the records.
    """

    images: CocoImages
    captions: Mapping[int, tuple[str, ...]]

    @cached_property
    def image_ids(self) -> Sequence[int]:
        """COCO's image numbers, in order."""
        return tuple(self.captions)

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, index: int) -> Record:
        image_id = self.image_ids[index]
        return Record(
            key=f"{image_id:012d}",
            image=self.images.path(image_id),
            image_id=image_id,
            captions=self.captions[image_id],
        )

    def counts(self) -> Mapping[str, int]:
        """Images and captions."""
        return {"images": len(self.captions), "captions": sum(len(said) for said in self.captions.values())}


def open_karpathy(root: Path, split: str) -> CaptionSplit:
    """Karpathy's train (with restval, as everybody trains), val or test.

    Raises:
        DatasetError: a file is missing or damaged, or an image is not there.
    """
    file = root / COCO / KARPATHY
    content = read_json(file)
    held = content.get("images") if isinstance(content, dict) else None
    images = entries(held, keys=("cocoid", "split", "sentences"), origin=f"{file}: images")
    captions = {
        int(image["cocoid"]): tuple(
            _tidy(sentence["raw"])
            for sentence in entries(image["sentences"], keys=["raw"], origin=f"{file}: sentences")
        )
        for image in images
        if image["split"] in _KARPATHY_PARTS[split]
    }
    return _opened(root, captions, file)


def open_official(root: Path, split: str) -> CaptionSplit:
    """The release of 2014: train or val. Captions of its test split are not public.

    Raises:
        DatasetError: a file is missing or damaged, or an image is not there.
    """
    file = root / COCO / "annotations" / f"captions_{split}2014.json"
    content: Any = read_json(file)
    held = content.get("annotations") if isinstance(content, dict) else None
    captions: dict[int, list[str]] = {}
    for entry in entries(held, keys=("image_id", "caption"), origin=f"{file}: annotations"):
        captions.setdefault(int(entry["image_id"]), []).append(_tidy(entry["caption"]))
    return _opened(root, {image: tuple(said) for image, said in captions.items()}, file)


def _opened(root: Path, captions: Mapping[int, tuple[str, ...]], file: Path) -> CaptionSplit:
    if not captions:
        raise DatasetError(f"{file} has no captions of this split; fetch the published file again")
    images = CocoImages(root)
    images.require(captions)
    return CaptionSplit(images, dict(sorted(captions.items())))


def _tidy(text: str) -> str:
    """Some captions hold line breaks and runs of blanks."""
    return " ".join(text.split())
