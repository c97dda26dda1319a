"""RefCOCO, RefCOCO+ and RefCOCOg: `refs(unc).p` or `refs(umd).p` beside `instances.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from instructseq_training.datasets.pickles import read_plain_pickle
from instructseq_training.datasets.referring import Reference, ReferringSplit, open_referring, read_references

REFS = {"refcoco": "refs(unc).p", "refcoco+": "refs(unc).p", "refcocog": "refs(umd).p"}
"""The pickle of each dataset: UNC's division of RefCOCO and RefCOCO+, UMD's of RefCOCOg. Google's division of RefCOCOg
shares images between its splits and has no test split."""


def read_refcoco(root: Path, name: str) -> list[Reference]:
    """All references of a dataset, every split.

    Args:
        root: folder of all datasets.
        name: a key of `REFS`.

    Raises:
        DatasetError: the pickle is missing, damaged, or holds anything but plain data.
    """
    file = root / name / REFS[name]
    return read_references(read_plain_pickle(file), origin=file, annotations=_one_object)


def open_refcoco(root: Path, split: str) -> ReferringSplit:
    """A split of RefCOCO: train, val, testA (people) or testB (everything else).

    Raises:
        DatasetError: as `open_referring`.
    """
    return open_referring(root, "refcoco", split, read_refcoco(root, "refcoco"))


def open_refcoco_plus(root: Path, split: str) -> ReferringSplit:
    """A split of RefCOCO+: as RefCOCO."""
    return open_referring(root, "refcoco+", split, read_refcoco(root, "refcoco+"))


def open_refcocog(root: Path, split: str) -> ReferringSplit:
    """A split of RefCOCOg: train, val or test."""
    return open_referring(root, "refcocog", split, read_refcoco(root, "refcocog"))


def _one_object(held: Any) -> tuple[int, ...]:
    return (int(held),)
