"""The label sets that ship with the model: class names in their published order."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from instructseq_model.errors import ConfigError
from instructseq_model.palette import LabelSet

__all__ = ["LABEL_SET_NAMES", "LabelSet", "label_set"]

# coco_stuff: 80 things, then 91 stuff, in the order of the ids of COCO-Stuff 1.1 without the 11 that have no pixels.
# ade20k: SceneParse150, the first of each class's synonyms.
# household: the classes of the rendered scenes.
LABEL_SET_NAMES = ("coco_stuff", "ade20k", "household")


@cache
def label_set(name: str) -> LabelSet:
    """One of `LABEL_SET_NAMES`.

    Raises:
        ConfigError: there is no such label set.
    """
    if name not in LABEL_SET_NAMES:
        raise ConfigError(f"there is no label set {name!r}; choose one of {', '.join(LABEL_SET_NAMES)}")
    text = files("instructseq_model").joinpath(f"data/label_sets/{name}.txt").read_text(encoding="utf-8")
    return LabelSet(name, tuple(line.strip() for line in text.splitlines() if line.strip()))
