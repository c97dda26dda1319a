"""Rendered scenes (`instructseq scenes ROOT/scenes`) as records, so that a mixture can hold them beside the others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from instructseq_training.datasets.class_maps import ClassMap
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.outlines import InstancePicture
from instructseq_training.datasets.record import Expression, Record, Target
from instructseq_training.datasets.tar_members import Member, members_of, read_members

FOLDER = "scenes"


@dataclass(frozen=True)
class RenderedSplit:
    """A `Split` of rendered frames; `frames` says in which shard each lies, and where its parts are."""

    frames: tuple[tuple[Path, dict[str, Member]], ...]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Record:
        file, members = self.frames[index]
        parts = read_members(file, members)
        said = json.loads(parts["json"])
        places = {found["index"]: place for place, found in enumerate(said["objects"])}
        return Record(
            key=said["key"],
            image=parts["jpg"],
            size_wh=(said["width"], said["height"]),
            classes=ClassMap(source=parts["classes.png"], label_set="household"),
            targets=tuple(
                Target(
                    outline=InstancePicture(source=parts["instances.png"], number=found["index"]),
                    box=tuple(found["box"]),
                )
                for found in said["objects"]
            ),
            expressions=tuple(
                Expression(text=e["text"], targets=tuple(places[number] for number in e["targets"]), kind=e["kind"])
                for e in said["expressions"]
            ),
            captions=tuple(said["captions"]),
        )

    @property
    def image_ids(self) -> Sequence[int]:
        """None: the images are not COCO's."""
        return ()

    def counts(self) -> Mapping[str, int]:
        """How many images."""
        return {"images": len(self.frames)}


def open_rendered(root: Path, split: str) -> RenderedSplit:
    """A split: train, val or heldout.

    Raises:
        DatasetError: there are no such shards, or one is damaged.
    """
    shards = sorted((root / FOLDER).glob(f"{split}-*.tar"))
    if not shards:
        raise DatasetError(
            f"{root / FOLDER} holds no {split}-*.tar; render them: instructseq scenes {root / FOLDER} --split {split}"
        )
    return RenderedSplit(tuple((shard, parts) for shard in shards for parts in members_of(shard).values()))
