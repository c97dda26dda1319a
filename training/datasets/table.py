"""The table of datasets. A new one joins by one file with its reader and one entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from instructseq_model.perception import Task
from instructseq_training.datasets import ade20k, captions, coco_stuff, fss1000, grefcoco, refcoco, rendered
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.record import Split

_IMAGES = "http://images.cocodataset.org/zips"
_REFER = "https://github.com/lichengunc/refer"


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something that a dataset needs on disk.

    Attributes:
        paths: under the root; one of them suffices. "{split}" stands for the split's name.
        source: where to get it.
    """

    paths: tuple[str, ...]
    source: str

    def found(self, root: Path, split: str) -> bool:
        """Whether one of the paths is there."""
        return any((root / path.format(split=split)).exists() for path in self.paths)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One entry of the table.

    Attributes:
        title: as people call it.
        tasks: what its records can be asked for.
        splits: their names.
        needs: what must be on disk.
        published: what the publishers count, by split.
        open: reader of a split, given the root of all datasets and the split's name.
        label_set: of its class maps, None where it has none.
    """

    title: str
    tasks: tuple[Task, ...]
    splits: tuple[str, ...]
    needs: tuple[Need, ...]
    open: Callable[[Path, str], Split]
    published: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    label_set: str | None = None


def _train2014() -> Need:
    return Need(
        paths=("coco/train2014", "coco/train2017"),
        source=f"{_IMAGES}/train2014.zip, or train2017.zip and val2017.zip beside it",
    )


def _captioned_images() -> Need:
    return Need(
        paths=("coco/train2014", "coco/val2014", "coco/train2017"),
        source=f"{_IMAGES}/train2014.zip and val2014.zip, or train2017.zip and val2017.zip",
    )


def _refer(name: str, reader: Callable[[Path, str], Split], published: Mapping[str, tuple[int, int, int]]) -> Dataset:
    title = {"refcoco": "RefCOCO", "refcoco+": "RefCOCO+", "refcocog": "RefCOCOg"}[name]
    refs = Need(paths=(f"{name}/{refcoco.REFS[name]}",), source=f"{_REFER} ({name}.zip)")
    instances = Need(paths=(f"{name}/instances.json",), source=f"{_REFER} ({name}.zip)")
    return Dataset(
        title=title,
        tasks=(Task.SEGMENTATION, Task.DETECTION),
        splits=tuple(published),
        needs=(refs, instances, _train2014()),
        open=reader,
        published={
            split: {"images": images, "refs": refs_, "sentences": sentences}
            for split, (images, refs_, sentences) in published.items()
        },
    )


DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        "coco_stuff": Dataset(
            title="COCO-Stuff 164k",
            tasks=(Task.SEMANTIC,),
            splits=("train", "val"),
            needs=(
                Need(paths=("coco/{split}2017",), source=f"{_IMAGES}/train2017.zip and val2017.zip"),
                Need(
                    paths=("coco/stuffthingmaps_trainval2017/{split}2017",),
                    source="http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/"
                    "stuffthingmaps_trainval2017.zip",
                ),
            ),
            open=coco_stuff.open_coco_stuff,
            published={"train": {"images": 118287}, "val": {"images": 5000}},
            label_set="coco_stuff",
        ),
        "ade20k": Dataset(
            title="ADE20K SceneParse150",
            tasks=(Task.SEMANTIC,),
            splits=("train", "val"),
            needs=(
                Need(
                    paths=("ADEChallengeData2016",),
                    source="http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
                ),
            ),
            open=ade20k.open_ade20k,
            published={"train": {"images": 20210}, "val": {"images": 2000}},
            label_set="ade20k",
        ),
        "refcoco": _refer(
            "refcoco",
            refcoco.open_refcoco,
            {
                "train": (16994, 42404, 120624),
                "val": (1500, 3811, 10834),
                "testA": (750, 1975, 5657),
                "testB": (750, 1810, 5095),
            },
        ),
        "refcoco+": _refer(
            "refcoco+",
            refcoco.open_refcoco_plus,
            {
                "train": (16992, 42278, 120191),
                "val": (1500, 3805, 10758),
                "testA": (750, 1975, 5726),
                "testB": (750, 1798, 4889),
            },
        ),
        "refcocog": _refer(
            "refcocog",
            refcoco.open_refcocog,
            {"train": (21899, 42226, 80512), "val": (1300, 2573, 4896), "test": (2600, 5023, 9602)},
        ),
        # Releases differ in their numbers of sentences; the images are those of RefCOCO.
        "grefcoco": Dataset(
            title="gRefCOCO",
            tasks=(Task.SEGMENTATION, Task.DETECTION),
            splits=("train", "val", "testA", "testB"),
            needs=(
                Need(paths=("grefcoco/grefs(unc).json",), source="https://github.com/henghuiding/gRefCOCO"),
                Need(paths=("grefcoco/instances.json",), source="https://github.com/henghuiding/gRefCOCO"),
                _train2014(),
            ),
            open=grefcoco.open_grefcoco,
            published={
                split: {"images": images}
                for split, images in {"train": 16994, "val": 1500, "testA": 750, "testB": 750}.items()
            },
        ),
        "coco_captions": Dataset(
            title="COCO Captions, Karpathy's split",
            tasks=(Task.CAPTION,),
            splits=("train", "val", "test"),
            needs=(
                Need(
                    paths=("coco/dataset_coco.json",),
                    source="https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip",
                ),
                _captioned_images(),
            ),
            open=captions.open_karpathy,
            published={
                "train": {"images": 113287, "captions": 566747},
                "val": {"images": 5000, "captions": 25010},
                "test": {"images": 5000, "captions": 25010},
            },
        ),
        "coco_captions_2014": Dataset(
            title="COCO Captions, official split of 2014",
            tasks=(Task.CAPTION,),
            splits=("train", "val"),
            needs=(
                Need(
                    paths=("coco/annotations/captions_{split}2014.json",),
                    source="http://images.cocodataset.org/annotations/annotations_trainval2014.zip",
                ),
                _captioned_images(),
            ),
            open=captions.open_official,
            published={
                "train": {"images": 82783, "captions": 414113},
                "val": {"images": 40504, "captions": 202654},
            },
        ),
        "fss-1000": Dataset(
            title="FSS-1000",
            tasks=(Task.SEGMENTATION,),
            splits=("train", "val", "test"),
            needs=(
                Need(
                    paths=("fss-1000/fewshot_data",),
                    source="https://github.com/HKUSTCV/FSS-1000 (fewshot_data.zip)",
                ),
                Need(
                    paths=("fss-1000/splits",),
                    source="https://github.com/juhongm999/hsnet (data/splits/fss: trn.txt, val.txt, test.txt)",
                ),
            ),
            open=fss1000.open_fss1000,
            published={
                "train": {"images": 5200, "classes": 520},
                "val": {"images": 2400, "classes": 240},
                "test": {"images": 2400, "classes": 240},
            },
        ),
        "scenes": Dataset(
            title="Rendered scenes",
            tasks=tuple(Task),
            splits=("train", "val", "heldout"),
            needs=(Need(paths=("scenes",), source="instructseq scenes ROOT/scenes --frames 9000"),),
            open=rendered.open_rendered,
            label_set="household",
        ),
    }
)
"""Every dataset by its name in configurations and on the command line."""


def dataset(name: str) -> Dataset:
    """An entry of the table.

    Raises:
        DatasetError: there is none of this name.
    """
    if name not in DATASETS:
        raise DatasetError(f"there is no dataset {name!r}; choose one of {', '.join(DATASETS)}")
    return DATASETS[name]


def open_split(root: Path, name: str, split: str) -> Split:
    """A split as published, nothing left out. To train, see `overlap.open_training_split`.

    Raises:
        DatasetError: there is no such dataset or split, or it is not on disk in its published format.
    """
    entry = dataset(name)
    if split not in entry.splits:
        raise DatasetError(f"{entry.title} has no split {split!r}; choose one of {', '.join(entry.splits)}")
    lacking = [need for need in entry.needs if not need.found(root, split)]
    if lacking:
        path = " or ".join(lacking[0].paths).format(split=split)
        raise DatasetError(f"{entry.title} needs {path} in {root}; get it from {lacking[0].source}")
    return entry.open(root, split)
