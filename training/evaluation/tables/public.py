"""The coco suite: the paper's public datasets, from a folder that holds them as docs/data.md lays it out.

A reader gives one record an image; `LabelledImage` is what a record must have. A dataset becomes part of the suite by
an entry in `READERS`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task
from instructseq_training.datasets.record import Record
from instructseq_training.datasets.table import open_split
from instructseq_training.evaluation.cases import Case
from instructseq_training.evaluation.tables.question import MissingDataError, Question


class Outline(Protocol):
    """The shape of one object."""

    def mask(self, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
        """H x W."""


class Target(Protocol):
    """One object that expressions refer to."""

    @property
    def outline(self) -> Outline:
        """Its shape."""

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """x1, y1, x2, y2 in pixels; None for the box around its shape."""


class Expression(Protocol):
    """Words and what they mean."""

    @property
    def text(self) -> str:
        """As published."""

    @property
    def targets(self) -> tuple[int, ...]:
        """Places among the image's targets; none for words that mean nothing in it."""


class ClassMap(Protocol):
    """A map of classes."""

    @property
    def label_set(self) -> str:
        """The name of its label set."""

    def ids(self) -> NDArray[np.uint8]:
        """H x W."""


class LabelledImage(Protocol):
    """One image and all that its dataset says about it; empty or None where it says nothing of the sort."""

    @property
    def key(self) -> str:
        """Unique in its dataset and split."""

    @property
    def classes(self) -> ClassMap | None:
        """The map of classes."""

    @property
    def targets(self) -> Sequence[Target]:
        """The objects that expressions refer to."""

    @property
    def expressions(self) -> Sequence[Expression]:
        """Words that refer to them."""

    @property
    def captions(self) -> Sequence[str]:
        """Sentences about the whole image."""

    def rgb(self) -> NDArray[np.uint8]:
        """The image, H x W x 3."""


Reader = Callable[[Path, str], Iterable[LabelledImage]]
"""From the folder of all datasets and a split's name to the images, in a fixed order. Raises an `InstructSeqError` that
says what is missing."""


def records_of(folder: Path, split: str, *, dataset: str) -> Iterator[Record]:
    """The images of a split as published, in their order; nothing is left out, as nothing is trained on.

    Args:
        folder: of all datasets.
        split: its name.
        dataset: its name in `datasets.table`.

    Raises:
        DatasetError: the dataset is not there, or not in its published format; the message says what to fetch.
    """
    split_records = open_split(folder, dataset, split)
    for place in range(len(split_records)):
        yield split_records[place]


READERS: Mapping[str, Reader] = {
    "coco_stuff": partial(records_of, dataset="coco_stuff"),
    "ade20k": partial(records_of, dataset="ade20k"),
    "refcoco": partial(records_of, dataset="refcoco"),
    "refcoco+": partial(records_of, dataset="refcoco+"),
    "refcocog": partial(records_of, dataset="refcocog"),
    "grefcoco": partial(records_of, dataset="grefcoco"),
    "coco_captions": partial(records_of, dataset="coco_captions"),
    "fss1000": partial(records_of, dataset="fss-1000"),
}
"""How each dataset is read, by its name in config/tables."""


class PublicSuite:
    """Cases on public datasets.

    Args:
        folder: that holds them.
        readers: as `READERS`.
        seed: decides phrasings and colours; those of an image depend on nothing else.
    """

    name = "coco"
    frames: int | None = None

    def __init__(self, folder: Path, readers: Mapping[str, Reader], *, seed: int = 0) -> None:
        self.folder, self.readers, self.seed = folder, readers, seed

    def cases(self, question: Question, *, frames: int | None) -> Iterator[Case]:
        """See `question.Suite`."""
        if question.dataset not in self.readers:
            raise ConfigError(f"the coco suite has no {question.dataset!r}; it has {', '.join(self.readers)}")
        if not self.folder.is_dir():
            raise MissingDataError(
                f"there is no folder {self.folder}: make it and unpack the datasets into it as docs/data.md says"
            )
        for record in islice(self.readers[question.dataset](self.folder, question.split), frames):
            yield from cases_of(record, question, random.Random(f"{self.seed} {record.key}"))


def cases_of(record: LabelledImage, question: Question, rng: random.Random) -> Iterator[Case]:
    """The cases of a question on one image: a map, a caption, or one for each of its expressions."""
    image = record.rgb()
    if question.task is Task.SEMANTIC:
        if record.classes is not None:
            name = record.classes.label_set
            words = question.instruction(rng, label_set=name)
            yield Case(
                image=image,
                instruction=words,
                task=question.task,
                classes=record.classes.ids(),
                image_key=record.key,
                label_set=name,
            )
    elif question.task is Task.CAPTION:
        if record.captions:
            words = question.instruction(rng)
            yield Case(
                image=image,
                instruction=words,
                task=question.task,
                captions=tuple(record.captions),
                image_key=record.key,
            )
    else:
        for expression in record.expressions:
            yield _referring_case(record, image, expression, question, rng)


def _referring_case(
    record: LabelledImage, image: NDArray[np.uint8], expression: Expression, question: Question, rng: random.Random
) -> Case:
    size_hw = (image.shape[0], image.shape[1])
    targets = [record.targets[place] for place in expression.targets]
    segmentation = question.task is Task.SEGMENTATION
    mask = np.zeros(size_hw, np.bool_)
    if segmentation:
        for target in targets:
            mask |= target.outline.mask(size_hw)
    boxes = [] if segmentation else [target.box or _around(target.outline.mask(size_hw)) for target in targets]
    return Case(
        image=image,
        instruction=question.instruction(rng, expression=expression.text),
        task=question.task,
        mask=mask if segmentation else None,
        boxes=None if segmentation else np.array(boxes, float).reshape(-1, 4),
        image_key=record.key,
        object_class=expression.text,
    )


def _around(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return (0.0, 0.0, 0.0, 0.0)
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
