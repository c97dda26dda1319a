"""Datasets as WebDataset shards, for clusters: few large files instead of many small ones.

`DATASET-SPLIT.json` is the plan: how many records in how many shards. `DATASET-SPLIT-000000.tar` and so on are the
shards; each is written under a passing name and renamed when it is whole, so that what has its name is complete.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import webdataset
from rich.progress import Progress

from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.files import first_few, read_json
from instructseq_training.datasets.record import Record, Split
from instructseq_training.datasets.shard_members import from_members, to_members
from instructseq_training.datasets.tar_members import Member, members_of, read_members
from instructseq_training.progress_columns import progress_columns


@dataclass(frozen=True, kw_only=True)
class ShardPlan:
    """How a split is divided.

    Attributes:
        dataset: its name.
        split: its name.
        records: how many in all.
        per_shard: how many a shard, the last one excepted.
        image_ids: COCO's numbers in order; empty where the images are not COCO's.
        fingerprint: of what is sharded, so that shards of other data are not taken for these.
    """

    dataset: str
    split: str
    records: int
    per_shard: int
    image_ids: tuple[int, ...]
    fingerprint: str

    def files(self, folder: Path) -> list[Path]:
        """The shards, in order."""
        count = -(-self.records // self.per_shard)
        return [folder / f"{self.dataset}-{self.split}-{number:06d}.tar" for number in range(count)]

    def places(self, shard: int) -> range:
        """Which records a shard holds."""
        return range(shard * self.per_shard, min((shard + 1) * self.per_shard, self.records))


def plan_file(folder: Path, dataset: str, split: str) -> Path:
    """Where the plan of a split lies."""
    return folder / f"{dataset}-{split}.json"


def write_shards(split: Split, folder: Path, *, dataset: str, name: str, per_shard: int = 1000) -> list[Path]:
    """Write a split as shards; those that are there already are kept.

    Args:
        split: what to write.
        folder: made if missing.
        dataset: the dataset's name.
        name: the split's name.
        per_shard: records in a shard, at least 1.

    Returns:
        The shards, in order.

    Raises:
        DatasetError: the folder holds shards of other data or of another size, or a record cannot be read.
    """
    if per_shard < 1 or not len(split):
        raise DatasetError(f"{len(split)} records cannot go into shards of {per_shard}; both must be at least 1")
    folder.mkdir(parents=True, exist_ok=True)
    plan = ShardPlan(
        dataset=dataset,
        split=name,
        records=len(split),
        per_shard=per_shard,
        image_ids=tuple(split.image_ids),
        fingerprint=_fingerprint(split),
    )
    _keep_plan(plan_file(folder, dataset, name), plan)
    files = plan.files(folder)
    with Progress(*progress_columns()) as progress:
        task = progress.add_task(f"{dataset} {name}", total=len(split))
        for shard, file in enumerate(files):
            if not file.is_file():
                _write_shard(file, (split[place] for place in plan.places(shard)))
            progress.advance(task, len(plan.places(shard)))
    return files


class ShardedSplit:
    """A `Split` that lies in shards; any record can be read without those before it.

    Args:
        folder: of the shards.
        dataset: the dataset's name.
        name: the split's name.

    Raises:
        DatasetError: there is no plan, or shards are missing.
    """

    def __init__(self, folder: Path, *, dataset: str, name: str) -> None:
        self.plan = _read_plan(plan_file(folder, dataset, name))
        self.files = self.plan.files(folder)
        missing = [file.name for file in self.files if not file.is_file()]
        if missing:
            raise DatasetError(
                f"{folder} lacks {len(missing)} of {len(self.files)} shards ({first_few(missing)}); "
                "run the same `instructseq data shard` again to finish"
            )
        self._members: dict[int, list[dict[str, Member]]] = {}  # by shard, read when first needed

    def __len__(self) -> int:
        return self.plan.records

    def __getitem__(self, index: int) -> Record:
        shard, place = divmod(range(self.plan.records)[index], self.plan.per_shard)
        if shard not in self._members:
            members = list(members_of(self.files[shard]).values())
            if len(members) != len(self.plan.places(shard)):
                raise DatasetError(f"{self.files[shard]} does not hold what its plan says; delete it and shard again")
            self._members[shard] = members
        return from_members(read_members(self.files[shard], self._members[shard][place]))

    @property
    def image_ids(self) -> Sequence[int]:
        """As `Split.image_ids`."""
        return self.plan.image_ids

    def counts(self) -> Mapping[str, int]:
        """How many images."""
        return {"images": self.plan.records}


def _write_shard(file: Path, records: Iterable[Record]) -> None:
    partial = file.with_suffix(".partial")
    try:
        with partial.open("wb") as stream, webdataset.TarWriter(stream, encoder=False, mtime=0) as writer:
            for record in records:
                writer.write({"__key__": record.key, **to_members(record)})
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _keep_plan(file: Path, plan: ShardPlan) -> None:
    """Write the plan, or check that the one that is there is the same."""
    if not file.is_file():
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(plan)))
        partial.replace(file)
    elif _read_plan(file) != plan:
        raise DatasetError(
            f"{file} plans other shards than these (other data, or another number of records a shard): "
            "choose another folder, or delete that file and its shards"
        )


def _read_plan(file: Path) -> ShardPlan:
    if not file.is_file():
        raise DatasetError(f"there is no {file}; make the shards with `instructseq data shard`")
    try:
        values = read_json(file)
        return ShardPlan(**{**values, "image_ids": tuple(values["image_ids"])})
    except (KeyError, TypeError) as error:
        raise DatasetError(f"{file} is no plan of shards ({error}); delete it and shard again") from error


def _fingerprint(split: Split) -> str:
    first, last = split[0].key, split[len(split) - 1].key
    said = [len(split), list(split.image_ids), dict(split.counts()), first, last]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
