"""gRefCOCO: `grefs(unc).json` beside `instances.json`; a sentence may mean one object, several, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from instructseq_training.datasets.files import read_json
from instructseq_training.datasets.referring import Reference, ReferringSplit, open_referring, read_references

FOLDER = "grefcoco"
REFS = "grefs(unc).json"
NO_TARGET = -1


def read_grefcoco(root: Path) -> list[Reference]:
    """All references, every split.

    Raises:
        DatasetError: the file is missing or damaged.
    """
    file = root / FOLDER / REFS
    return read_references(read_json(file), origin=file, annotations=_annotations)


def open_grefcoco(root: Path, split: str) -> ReferringSplit:
    """A split: train, val, testA or testB.

    Raises:
        DatasetError: as `open_referring`.
    """
    return open_referring(root, FOLDER, split, read_grefcoco(root))


def _annotations(held: Any) -> tuple[int, ...]:
    numbers = held if isinstance(held, list) else [held]
    return tuple(dict.fromkeys(int(number) for number in numbers if number != NO_TARGET))
