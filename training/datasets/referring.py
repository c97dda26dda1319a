"""What the RefCOCO family has in common: references to annotated objects, and `instances.json` with their shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from instructseq_training.datasets.coco_images import CocoImages
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.files import entries, first_few, read_json
from instructseq_training.datasets.outlines import coco_outline
from instructseq_training.datasets.record import Expression, Record, Target

INSTANCES = "instances.json"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Some sentences that mean the same objects of an image.

    Attributes:
        image_id: COCO's number of the image.
        split: as published: train, val, testA, testB or test.
        annotations: numbers of the objects; empty for sentences that mean nothing in the image.
        sentences: at least one.
    """

    image_id: int
    split: str
    annotations: tuple[int, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class ReferringSplit:
    """A `Split` of images with all references to their objects.

    Attributes:
        images: where the pictures are.
        sizes: width and height by image number.
        annotations: of `instances.json`, by number.
        references: by image number, in the order of the records.
    """

    images: CocoImages
    sizes: Mapping[int, tuple[int, int]]
    annotations: Mapping[int, Mapping[str, Any]]
    references: Mapping[int, Sequence[Reference]]

    @cached_property
    def image_ids(self) -> Sequence[int]:
        """COCO's image numbers, in order."""
        return tuple(self.references)

    def __len__(self) -> int:
        return len(self.references)

    def __getitem__(self, index: int) -> Record:
        image_id = self.image_ids[index]
        references = self.references[image_id]
        numbers = list(dict.fromkeys(number for reference in references for number in reference.annotations))
        return Record(
            key=f"{image_id:012d}",
            image=self.images.path(image_id),
            image_id=image_id,
            size_wh=self.sizes[image_id],
            targets=tuple(_target(self.annotations[number]) for number in numbers),
            expressions=tuple(
                Expression(text=sentence, targets=tuple(numbers.index(number) for number in reference.annotations))
                for reference in references
                for sentence in reference.sentences
            ),
        )

    def counts(self) -> Mapping[str, int]:
        """Images, references and sentences."""
        references = [reference for group in self.references.values() for reference in group]
        sentences = sum(len(reference.sentences) for reference in references)
        return {"images": len(self.references), "refs": len(references), "sentences": sentences}


def read_references(content: Any, *, origin: Path, annotations: Callable[[Any], tuple[int, ...]]) -> list[Reference]:
    """The references of a file of the family, all splits.

    Args:
        content: what the file holds.
        origin: the file, for messages.
        annotations: numbers of the objects from an entry's `ann_id`.

    Raises:
        DatasetError: the content is no list of references.
    """
    keys = ("image_id", "split", "ann_id", "sentences")
    return [
        Reference(
            image_id=int(entry["image_id"]),
            split=str(entry["split"]),
            annotations=annotations(entry["ann_id"]),
            sentences=tuple(
                sentence["sent"]
                for sentence in entries(entry["sentences"], keys=["sent"], origin=f"{origin}: sentences")
            ),
        )
        for entry in entries(content, keys=keys, origin=str(origin))
    ]


def open_referring(root: Path, folder: str, split: str, references: Sequence[Reference]) -> ReferringSplit:
    """Put references and instances together.

    Args:
        root: folder of all datasets.
        folder: of `instances.json` in it.
        split: which of the references.
        references: of all splits.

    Raises:
        DatasetError: a file is missing or damaged, or an object or an image of a reference is not there.
    """
    chosen = [reference for reference in references if reference.split == split]
    if not chosen:
        present = ", ".join(sorted({reference.split for reference in references}))
        raise DatasetError(f"{root / folder} has no references of split {split}, only of {present}; fetch them again")
    by_image: dict[int, list[Reference]] = {}
    for reference in chosen:
        by_image.setdefault(reference.image_id, []).append(reference)
    file = root / folder / INSTANCES
    content = read_json(file)
    if not isinstance(content, dict):
        raise DatasetError(f"{file} is no COCO annotation file; fetch it again")
    sizes = {
        entry["id"]: (int(entry["width"]), int(entry["height"]))
        for entry in entries(content.get("images"), keys=("id", "width", "height"), origin=f"{file}: images")
    }
    wanted = {number for reference in chosen for number in reference.annotations}
    keys = ("id", "image_id", "bbox", "segmentation")
    annotations = {
        entry["id"]: {key: entry[key] for key in keys}
        for entry in entries(content.get("annotations"), keys=keys, origin=f"{file}: annotations")
        if entry["id"] in wanted
    }
    lost = [*sorted(wanted - set(annotations)), *(number for number in by_image if number not in sizes)]
    if lost:
        raise DatasetError(
            f"{file} lacks what {len(lost)} references mean ({first_few(lost)}); both come in one archive"
        )
    images = CocoImages(root)
    images.require(by_image)
    return ReferringSplit(images, sizes, annotations, dict(sorted(by_image.items())))


def _target(annotation: Mapping[str, Any]) -> Target:
    x, y, width, height = (float(value) for value in annotation["bbox"])
    return Target(outline=coco_outline(annotation["segmentation"]), box=(x, y, x + width, y + height))
