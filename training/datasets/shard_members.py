"""A record as the members of a WebDataset sample, and back; pictures are carried over byte by byte."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from instructseq_training.datasets.class_maps import ClassMap
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.outlines import (
    InstancePicture,
    MaskPicture,
    Outline,
    Polygons,
    RunLengths,
    coco_outline,
)
from instructseq_training.datasets.record import Expression, Record, Target
from instructseq_training.datasets.sources import Source, content

CLASSES = "classes.png"
JSON = "json"


def to_members(record: Record) -> dict[str, bytes]:
    """The members of a record by suffix: the image, `json`, and pictures of classes and masks where there are any."""
    image_suffix = _suffix(record.image)
    members = {image_suffix: content(record.image)}
    if record.classes is not None:
        members[CLASSES] = content(record.classes.source)
    targets = []
    for place, target in enumerate(record.targets):
        outline, pictures = _outline_as_json(target.outline, place)
        members |= pictures
        targets.append({"box": target.box, **outline})
    said = {
        "key": record.key,
        "image": image_suffix,
        "image_id": record.image_id,
        "size_wh": record.size_wh,
        "label_set": record.classes.label_set if record.classes else None,
        "targets": targets,
        "expressions": [{"text": e.text, "targets": e.targets, "kind": e.kind} for e in record.expressions],
        "captions": record.captions,
    }
    return members | {JSON: json.dumps(said, sort_keys=True).encode()}


def from_members(members: Mapping[str, bytes]) -> Record:
    """The record of members by suffix, as `to_members` or the webdataset library gives them.

    Raises:
        DatasetError: a member is missing or damaged.
    """
    try:
        said = json.loads(members[JSON])
        return Record(
            key=said["key"],
            image=members[said["image"]],
            image_id=said["image_id"],
            size_wh=tuple(said["size_wh"]) if said["size_wh"] else None,
            classes=ClassMap(source=members[CLASSES], label_set=said["label_set"]) if said["label_set"] else None,
            targets=tuple(
                Target(outline=_outline_from_json(target, members), box=tuple(target["box"]) if target["box"] else None)
                for target in said["targets"]
            ),
            expressions=tuple(
                Expression(text=e["text"], targets=tuple(e["targets"]), kind=e["kind"]) for e in said["expressions"]
            ),
            captions=tuple(said["captions"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"a sample of a shard is damaged ({error!r}); delete the shard and make it again") from error


def _outline_as_json(outline: Outline, place: int) -> tuple[dict[str, Any], dict[str, bytes]]:
    if isinstance(outline, Polygons):
        return {"segmentation": outline.parts}, {}
    if isinstance(outline, RunLengths):
        return {"segmentation": {"counts": outline.counts, "size": outline.size_hw}}, {}
    if isinstance(outline, MaskPicture):
        name = f"mask{place}.png"
        return {"mask": name}, {name: content(outline.source)}
    if isinstance(outline, InstancePicture):
        return {"mask": "instances.png", "number": outline.number}, {"instances.png": content(outline.source)}
    raise TypeError(f"{type(outline).__name__} has no form in a shard")


def _outline_from_json(said: Mapping[str, Any], members: Mapping[str, bytes]) -> Outline:
    if "segmentation" in said:
        return coco_outline(said["segmentation"])
    if "number" in said:
        return InstancePicture(source=members[said["mask"]], number=said["number"])
    return MaskPicture(source=members[said["mask"]])


def _suffix(image: Source) -> str:
    # Bytes come out of a shard or a rendered scene; a decoder looks at the content, the suffix is for people.
    suffix = image.suffix.lower().lstrip(".") if isinstance(image, Path) else "jpg"
    return "jpg" if suffix == "jpeg" else suffix
