"""Maps of public datasets in the formats people download: class maps and masks of referring expressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from instructseq_model.errors import ConfigError
from instructseq_model.label_sets import label_set
from instructseq_model.palette import LabelSet
from instructseq_training.datasets.overlap import open_training_split
from instructseq_training.datasets.record import Split
from instructseq_training.datasets.table import DATASETS, open_split
from instructseq_training.vqvae.maps import Ids


@dataclass(frozen=True, kw_only=True)
class PublicMaps:
    """A `MapSource` of published maps, decoded when drawn and mirrored at random.

    Args:
        classes: splits whose records have class maps.
        objects: splits whose records have targets and expressions.
        side: maps are stretched to side x side by nearest neighbour.
        named_colours: number of colours of referring maps.
    """

    classes: Sequence[Split]
    objects: Sequence[Split]
    side: int
    named_colours: int

    def semantic(self, rng: np.random.Generator) -> Ids:
        """A class map, values one above the class, 0 unlabelled; each split as often as another."""
        split = self.classes[int(rng.integers(len(self.classes)))]
        published = split[int(rng.integers(len(split)))].classes
        if published is None:
            raise ConfigError("data.semantic names a dataset whose images have no maps of classes")
        unlabelled = label_set(published.label_set).unlabelled
        ids = self._stretched(published.ids(), rng)
        return np.where(ids == unlabelled, 0, ids + 1).astype(np.uint8)

    def referring(self, rng: np.random.Generator) -> Ids:
        """What one expression means, in one colour; each split as often as another."""
        split = self.objects[int(rng.integers(len(self.objects)))]
        record = split[int(rng.integers(len(split)))]
        expression = record.expressions[int(rng.integers(len(record.expressions)))]
        width, height = record.size_wh or record.rgb().shape[1::-1]
        mask = record.mask(expression.targets, (height, width)).astype(np.uint8)
        colour = rng.integers(1, self.named_colours + 1)
        return (self._stretched(mask, rng) * colour).astype(np.uint8)

    def _stretched(self, ids: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        small = cv2.resize(ids, (self.side, self.side), interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8)
        return small[:, ::-1] if rng.random() < 0.5 else small


def open_public_maps(
    root: Path,
    *,
    semantic: Sequence[str],
    referring: Sequence[str],
    split: str,
    labels: LabelSet,
    side: int,
    named_colours: int,
) -> PublicMaps:
    """The maps of some public datasets.

    Args:
        root: folder of all datasets (`instructseq data check ROOT`).
        semantic: names of datasets with class maps, at least one.
        referring: names of datasets with expressions, at least one.
        split: "train", which leaves out the images that any of the RefCOCO family evaluates on, or "val".
        labels: whose colours the class maps are painted with. Theirs must be among them: COCO-Stuff's 171 colours begin
            with ADE20K's 150.
        side: of the maps, pixels.
        named_colours: number of colours of referring maps.

    Raises:
        ConfigError: a dataset does not exist, has no such maps, or other colours.
        DatasetError: a dataset is missing or damaged.
    """
    if not semantic or not referring:
        raise ConfigError("data: name at least one dataset under semantic and one under referring, or neither")
    for name in (*semantic, *referring):
        if name not in DATASETS:
            raise ConfigError(f"data: there is no dataset {name}; choose from {', '.join(DATASETS)}")
    for name in semantic:
        _check_colours(name, DATASETS[name].label_set, labels)

    def open_one(name: str) -> Split:
        return open_training_split(root, name).split if split == "train" else open_split(root, name, split)

    return PublicMaps(
        classes=[open_one(name) for name in semantic],
        objects=[open_one(name) for name in referring],
        side=side,
        named_colours=named_colours,
    )


def _check_colours(name: str, own: str | None, labels: LabelSet) -> None:
    if own is None:
        raise ConfigError(f"data: {name} has no maps of classes; name it under referring")
    colours = label_set(own).colours
    if len(colours) > len(labels.colours) or not np.array_equal(colours, labels.colours[: len(colours)]):
        raise ConfigError(f"data: the colours of {name} are not among those of {labels.name}; set label_set: {own}")
