"""Class ids of the household label set."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files


@lru_cache(maxsize=1)
def household_ids() -> dict[str, int]:
    """Class name -> id, in the order of the label set's file."""
    text = files("instructseq_model").joinpath("data/label_sets/household.txt").read_text(encoding="utf-8")
    return {name: number for number, name in enumerate(text.split("\n")) if name}
