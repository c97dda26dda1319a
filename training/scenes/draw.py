"""Which objects a world holds: a draw that depends on seed, split and shard alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from instructseq_training.scenes.catalogue import ObjectModel
from instructseq_training.scenes.config import SPLITS, SceneConfig
from instructseq_training.scenes.errors import SceneError

HELD_OUT_SHARE = 0.35  # of a world of split `heldout`
NO_MINIATURE = frozenset({"table"})  # a table on a table would be taken for the table it stands on
SECOND_MODEL_SHARE = 0.5  # of the names with several models


def generator(seed: int, split: str, *numbers: int) -> np.random.Generator:
    """The source of randomness of a shard (one number) or a frame (two)."""
    if split not in SPLITS:
        raise SceneError(f"split {split!r} is unknown: choose one of {', '.join(SPLITS)}")
    return np.random.default_rng([seed, SPLITS.index(split), *numbers])


def draw_models(
    models: Sequence[ObjectModel], *, split: str, config: SceneConfig, random: np.random.Generator
) -> tuple[str, list[ObjectModel]]:
    """The place (`table` or `room`) and the models of one world.

    Args:
        models: the whole catalogue.
        split: `train` and `val` get trained models alone, `heldout` both.
        config: how many.
        random: source of every choice.
    """
    place = "room" if random.random() < config.room_share else "table"
    trained = [model for model in models if not model.held_out]
    held_out = [model for model in models if model.held_out] if split == "heldout" else []
    few = round(config.objects_per_world * HELD_OUT_SHARE) if held_out else 0
    drawn = _by_name(held_out, few, place=place, miniatures=min(config.miniatures, few // 4), random=random)
    rest = config.objects_per_world - len(drawn)
    drawn += _by_name(trained, rest, place=place, miniatures=config.miniatures - few // 4, random=random)
    return place, drawn


def _by_name(
    models: Sequence[ObjectModel], count: int, *, place: str, miniatures: int, random: np.random.Generator
) -> list[ObjectModel]:
    """Names first, then models, so that a name with many models is no more frequent than another."""
    own = _names([model for model in models if model.place == place])
    small = (
        _names([model for model in models if model.place == "room" and model.category not in NO_MINIATURE])
        if place == "table"
        else {}
    )
    few = max(0, min(miniatures, len(small))) if place == "table" else 0
    drawn: list[ObjectModel] = []
    for group, number in ((small, few), (own, count - few)):
        taken = 0
        for index in random.permutation(len(group)):
            same = list(group.values())[index]
            several = 2 if len(same) > 1 and random.random() < SECOND_MODEL_SHARE else 1
            picked = [same[i] for i in random.permutation(len(same))[: min(several, number - taken)]]
            drawn += picked
            taken += len(picked)
            if taken >= number:
                break
    return drawn


def _names(models: Sequence[ObjectModel]) -> dict[str, list[ObjectModel]]:
    found: dict[str, list[ObjectModel]] = {}
    for model in models:
        found.setdefault(model.name, []).append(model)
    return found
