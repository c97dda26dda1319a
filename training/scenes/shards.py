"""Shards: uncompressed tar files in WebDataset's naming, written whole or not at all."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructseq_training.scenes.errors import SceneError
from instructseq_training.scenes.scene import Expression, Frame

JPEG_QUALITY = 92


@dataclass(frozen=True)
class Sample:
    """One frame as it lies in a shard.

    Attributes:
        key: unique over all splits.
        rgb: H x W x 3, uint8.
        instances: H x W, uint8.
        classes: H x W, uint8.
        record: the JSON: objects, expressions, captions and where they come from.
    """

    key: str
    rgb: NDArray[np.uint8]
    instances: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    record: dict[str, Any]


def shard_file(folder: Path, split: str, shard: int) -> Path:
    """Where a shard lies."""
    return folder / f"{split}-{shard:05d}.tar"


def frame_record(
    frame: Frame, *, key: str, split: str, seed: int, expressions: Sequence[Expression], captions: Sequence[str]
) -> dict[str, Any]:
    """A frame's JSON."""
    height, width = frame.rgb.shape[:2]
    return {
        "key": key,
        "split": split,
        "width": width,
        "height": height,
        "seed": seed,
        "place": frame.place,
        "objects": [found.as_json() for found in frame.objects],
        "expressions": [{"text": e.text, "kind": e.kind, "targets": list(e.targets)} for e in expressions],
        "captions": list(captions),
    }


def write_shard(file: Path, samples: Iterator[Sample]) -> int:
    """Write a shard under a passing name, then give it its own; returns the number of frames."""
    partial = file.with_suffix(f".{os.getpid()}.partial")
    count = 0
    try:
        with tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as archive:
            for sample in samples:
                for suffix, content in _members(sample):
                    member = tarfile.TarInfo(f"{sample.key}.{suffix}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
                count += 1
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return count


def read_shard(file: Path) -> Iterator[Sample]:
    """The frames of a shard, in order.

    Raises:
        SceneError: the file is missing or damaged.
    """
    try:
        with tarfile.open(file, "r:") as archive:
            found: dict[str, bytes] = {}
            for member in archive:
                content = archive.extractfile(member)
                key, _, suffix = member.name.partition(".")
                found[suffix] = content.read() if content else b""
                if suffix == "json":
                    yield _sample(key, found)
                    found = {}
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise SceneError(f"cannot read the shard {file}: {error}; delete it and run the same command again") from error


def count_frames(file: Path) -> int:
    """How many frames a shard holds; its pictures are not read.

    Raises:
        SceneError: the file is missing or damaged.
    """
    try:
        with tarfile.open(file, "r:") as archive:
            return sum(member.name.endswith(".json") for member in archive)
    except (OSError, tarfile.TarError) as error:
        raise SceneError(f"cannot read the shard {file}: {error}; delete it and run the same command again") from error


def _members(sample: Sample) -> Iterator[tuple[str, bytes]]:
    yield "jpg", _encode(sample.rgb, "JPEG", quality=JPEG_QUALITY)
    yield "instances.png", _encode(sample.instances, "PNG", compress_level=4)
    yield "classes.png", _encode(sample.classes, "PNG", compress_level=4)
    yield "json", json.dumps(sample.record).encode()


def _encode(image: NDArray[np.uint8], kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def _sample(key: str, found: dict[str, bytes]) -> Sample:
    rgb, instances, classes = (
        np.asarray(Image.open(io.BytesIO(found[suffix]))) for suffix in ("jpg", "instances.png", "classes.png")
    )
    return Sample(key, rgb, instances, classes, json.loads(found["json"]))
