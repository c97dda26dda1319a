"""Maps of rendered scenes: class maps and object silhouettes from the shards that `instructseq scenes` writes."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from instructseq_model.errors import ConfigError
from instructseq_training.vqvae.maps import Ids, MapSource

FEWEST_PIXELS = 20  # of an object on the small map; less is not worth a referring map


@dataclass(frozen=True, kw_only=True)
class SceneMaps:
    """A `MapSource` of rendered frames, mirrored at random.

    Args:
        classes: frames of side x side, class ids from 0; None for unlabelled is not needed, every pixel has a class.
        instances: the same frames, 0 none, i object i.
        named_colours: number of colours of referring maps.
        class_count: number of classes, for recoloured maps.
        recoloured: share of semantic maps whose classes are shuffled, so that rare classes keep their codes.
    """

    classes: Sequence[Ids]
    instances: Sequence[Ids]
    named_colours: int
    class_count: int
    recoloured: float = 0.3

    def semantic(self, rng: np.random.Generator) -> Ids:
        """A frame's class map, values one above the class."""
        ids = _mirrored(self.classes[int(rng.integers(len(self.classes)))], rng)
        if rng.random() < self.recoloured:
            ids = rng.permutation(self.class_count).astype(np.uint8)[ids]
        return ids + np.uint8(1)

    def referring(self, rng: np.random.Generator) -> Ids:
        """One object (mostly), several or none of a frame, in one colour."""
        frame = _mirrored(self.instances[int(rng.integers(len(self.instances)))], rng)
        objects = np.flatnonzero(np.bincount(frame.ravel())[1:] >= FEWEST_PIXELS) + 1
        wanted = int(rng.choice([0, 1, 2, 3], p=[0.05, 0.7, 0.15, 0.1]))
        chosen = rng.permutation(objects)[:wanted]
        colour = rng.integers(1, self.named_colours + 1)
        return (np.isin(frame, chosen) * colour).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class MixedMaps:
    """Two sources in turns of chance.

    Args:
        first: drawn from with probability `share`.
        second: drawn from otherwise.
        share: in [0, 1].
    """

    first: MapSource
    second: MapSource
    share: float

    def semantic(self, rng: np.random.Generator) -> Ids:
        """As the chosen source."""
        return self._choose(rng).semantic(rng)

    def referring(self, rng: np.random.Generator) -> Ids:
        """As the chosen source."""
        return self._choose(rng).referring(rng)

    def _choose(self, rng: np.random.Generator) -> MapSource:
        return self.first if rng.random() < self.share else self.second


def read_scene_maps(
    folder: Path,
    *,
    split: str,
    side: int,
    named_colours: int,
    class_count: int,
    limit: int = 20000,
    recoloured: float = 0.3,
) -> SceneMaps:
    """Read the maps of all finished shards of a split.

    Args:
        folder: holding {split}-{shard}.tar.
        split: "train", "val" or "heldout".
        side: frames are stretched to side x side by nearest neighbour.
        named_colours: for `SceneMaps`.
        class_count: for `SceneMaps`.
        limit: at most this many frames.
        recoloured: for `SceneMaps`.

    Raises:
        ConfigError: there are no such shards, or a class id is not below `class_count`.
    """
    frames: dict[str, dict[str, Ids]] = {}
    for shard in sorted(folder.glob(f"{split}-*.tar")):
        with tarfile.open(shard) as archive:
            for member in archive:
                key, _, kind = member.name.partition(".")
                content = archive.extractfile(member) if kind in ("classes.png", "instances.png") else None
                if content is not None:
                    frames.setdefault(key, {})[kind] = decode_map(content.read(), side=side)
        if len(frames) >= limit:
            break
    whole = [frame for frame in frames.values() if len(frame) == 2][:limit]
    if not whole:
        raise ConfigError(f"{folder}: no {split}-*.tar with maps; make them with `instructseq scenes`")
    highest = max(int(frame["classes.png"].max()) for frame in whole)
    if highest >= class_count:
        raise ConfigError(
            f"{folder}: class id {highest}, but the label set has {class_count}; use the one of the scenes"
        )
    return SceneMaps(
        classes=[frame["classes.png"] for frame in whole],
        instances=[frame["instances.png"] for frame in whole],
        named_colours=named_colours,
        class_count=class_count,
        recoloured=recoloured,
    )


def decode_map(png: bytes, *, side: int) -> Ids:
    """A PNG of ids, stretched to side x side by nearest neighbour."""
    ids = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    if ids is None:
        raise ConfigError("a map in a shard is no PNG; render the shard again")
    return cv2.resize(ids, (side, side), interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8)


def _mirrored(ids: Ids, rng: np.random.Generator) -> Ids:
    return ids[:, ::-1] if rng.random() < 0.5 else ids
