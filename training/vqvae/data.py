"""Which maps a VQ-VAE is trained and measured on: made up, of rendered scenes, or of public datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from instructseq_model.errors import ConfigError
from instructseq_model.label_sets import label_set
from instructseq_model.palette import NAMED_COLOURS, LabelSet
from instructseq_training.vqvae.maps import MapSource, Palettes
from instructseq_training.vqvae.public import open_public_maps
from instructseq_training.vqvae.scenes import MixedMaps, read_scene_maps
from instructseq_training.vqvae.synthetic import SyntheticMaps

SCENES_LABEL_SET = "household"


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What the maps are.

    Args:
        label_set: name of the label set that semantic maps are painted with. Scenes painted with another one than their
            own get its colours by chance.
        scene_share: part of the maps that come from the given folder; the rest is made up.
        semantic: names of public datasets with class maps; with `referring` in place of scenes.
        referring: names of public datasets with expressions.
        evaluation_maps: whole maps the report is measured on, half of them referring.
    """

    label_set: str = SCENES_LABEL_SET
    scene_share: float = 0.6
    semantic: tuple[str, ...] = ()
    referring: tuple[str, ...] = ()
    evaluation_maps: int = 400

    def __post_init__(self) -> None:
        if not 0.0 <= self.scene_share <= 1.0 or self.evaluation_maps < 2:
            raise ConfigError(f"data: scene_share is in [0, 1] and evaluation_maps at least 2, got {self}")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> DataConfig:
        """What a YAML mapping describes.

        Raises:
            ConfigError: an unknown key, or a value outside its range.
        """
        known = sorted(field.name for field in fields(cls))
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(f"data: unknown keys {unknown}; known are {known}")
        plain: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        return cls(**plain)


def map_palettes(labels: LabelSet) -> Palettes:
    """Black and the colours of a label set; black and the named colours."""
    black = np.zeros((1, 3), np.uint8)
    named = np.array(list(NAMED_COLOURS.values()), np.uint8)
    return Palettes(semantic=np.concatenate([black, labels.colours]), referring=np.concatenate([black, named]))


def training_maps(folder: Path | None, config: DataConfig, *, side: int) -> MapSource:
    """The maps to train on.

    Args:
        folder: of scene shards, or of public datasets where the configuration names some; None for made-up maps.
        config: which maps.
        side: of the maps, pixels.

    Raises:
        ConfigError: there are no such maps.
    """
    synthetic = _synthetic(config, side)
    if folder is None:
        _check_folder_not_needed(config)
        return synthetic
    return MixedMaps(
        first=_of_folder(folder, config, split="train", side=side), second=synthetic, share=config.scene_share
    )


def measuring_maps(folder: Path | None, config: DataConfig, *, side: int, split: str = "val") -> MapSource:
    """The maps to measure on: as `training_maps`, from another split, with nothing mixed in."""
    if folder is None:
        _check_folder_not_needed(config)
        return _synthetic(config, side)
    return _of_folder(folder, config, split=split, side=side)


def _synthetic(config: DataConfig, side: int) -> SyntheticMaps:
    return SyntheticMaps(side=side, classes=len(label_set(config.label_set).names), named_colours=len(NAMED_COLOURS))


def _check_folder_not_needed(config: DataConfig) -> None:
    if config.semantic or config.referring:
        raise ConfigError("the recipe's data are public datasets; say with --data where they lie")


def _of_folder(folder: Path, config: DataConfig, *, split: str, side: int) -> MapSource:
    labels, named = label_set(config.label_set), len(NAMED_COLOURS)
    if config.semantic or config.referring:
        return open_public_maps(
            folder,
            semantic=config.semantic,
            referring=config.referring,
            split=split,
            labels=labels,
            side=side,
            named_colours=named,
        )
    foreign = config.label_set != SCENES_LABEL_SET
    recoloured = 1.0 if foreign else 0.3 if split == "train" else 0.0
    return read_scene_maps(
        folder, split=split, side=side, named_colours=named, class_count=len(labels.names), recoloured=recoloured
    )
