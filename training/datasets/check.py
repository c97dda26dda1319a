"""What of the datasets is on disk, what is missing, and whether it is what was published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.record import Record, Split
from instructseq_training.datasets.table import dataset


class State(str, Enum):
    """Of a split on disk."""

    COMPLETE = "complete"
    OTHER_COUNTS = "other counts"
    BROKEN = "broken"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True)
class SplitReport:
    """What was found of one split.

    Attributes:
        dataset: its name.
        split: its name.
        state: the verdict.
        found: what was counted.
        published: what the publishers count; empty where they do not say.
        advice: what is wrong and what to do; "" for a complete split.
    """

    dataset: str
    split: str
    state: State
    found: Mapping[str, int] = field(default_factory=dict)
    published: Mapping[str, int] = field(default_factory=dict)
    advice: str = ""


def check(root: Path, names: Sequence[str]) -> Iterator[SplitReport]:
    """Check every split of some datasets, one after the other.

    All annotations are read and all files looked for; of the pictures the first, a middle and the last one.

    Args:
        root: folder of all datasets.
        names: which; see `DATASETS`.

    Raises:
        DatasetError: there is no dataset of such a name.
    """
    for name in names:
        for split in dataset(name).splits:
            yield check_split(root, name, split)


def check_split(root: Path, name: str, split: str) -> SplitReport:
    """Check one split."""
    entry = dataset(name)
    published = entry.published.get(split, {})
    lacking = [need for need in entry.needs if not need.found(root, split)]
    if lacking:
        advice = "; ".join(
            f"{' or '.join(need.paths).format(split=split)}: get it from {need.source}" for need in lacking
        )
        return SplitReport(dataset=name, split=split, state=State.MISSING, published=published, advice=advice)
    found: Mapping[str, int] = {}
    try:
        opened = entry.open(root, split)
        found = opened.counts()
        decode_some(opened)
    except DatasetError as error:
        return SplitReport(
            dataset=name, split=split, state=State.BROKEN, found=found, published=published, advice=str(error)
        )
    differing = [f"{what} {found.get(what, 0)}, published {count}" for what, count in published.items()
                 if found.get(what) != count]  # fmt: skip
    return SplitReport(
        dataset=name,
        split=split,
        state=State.OTHER_COUNTS if differing else State.COMPLETE,
        found=found,
        published=published,
        advice=f"{'; '.join(differing)}: unpack everything again, or mind that it is only a part" if differing else "",
    )


def decode_some(split: Split) -> None:
    """Decode everything about the first, a middle and the last record.

    Raises:
        DatasetError: a picture or an outline is damaged, or does not fit its image.
    """
    for place in sorted({0, len(split) // 2, len(split) - 1} & set(range(len(split)))):
        _decode(split[place])


def _decode(record: Record) -> None:
    size_hw = record.rgb().shape[:2]
    if record.classes is not None:
        record.class_ids((size_hw[0], size_hw[1]))
    record.mask(range(len(record.targets)), (size_hw[0], size_hw[1]))
