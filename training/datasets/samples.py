"""From a record to what a model is trained on: an instruction and its answer, at the sizes of the model."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructseq_model.errors import ConfigError
from instructseq_model.label_sets import label_set
from instructseq_model.palette import NAMED_COLOURS, paint
from instructseq_model.perception import Task
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.record import Expression, Record
from instructseq_training.examples import Example, caption_example, referring_example, semantic_example
from instructseq_training.instructions import InstructionSet


@dataclass(frozen=True, kw_only=True)
class TrainingSample:
    """An image, an instruction and its answer: what `Batcher` makes of a rendered frame, of any dataset.

    Attributes:
        key: of the record in its dataset.
        image: H x W x 3, RGB, as it came; stretch it to the encoder's square.
        example: words, boxes as parts of the image, caption, colour; `targets` count from 1.
        mask: S x S, where the instruction refers to; None for semantic maps and captions.
        classes: S x S, ids of `label_set`, `unlabelled` where nothing is known; None for the other tasks.
        label_set: name of the label set of `classes`, else "".
    """

    key: str
    image: NDArray[np.uint8]
    example: Example
    mask: NDArray[np.bool_] | None = None
    classes: NDArray[np.uint8] | None = None
    label_set: str = ""

    def painted(self) -> NDArray[np.uint8]:
        """The map to be generated, S x S x 3: class colours, or the targets in the asked colour on black.

        Raises:
            ValueError: the sample's answer is no map.
        """
        if self.classes is not None:
            return paint(self.classes, label_set(self.label_set))
        if self.mask is not None and self.example.task is Task.SEGMENTATION:
            return (self.mask[..., None] * np.array(NAMED_COLOURS[self.example.colour])).astype(np.uint8)
        raise ValueError(f"the answer to {self.example.task.value} is no map")


def draw_sample(
    record: Record,
    *,
    task: Task,
    phrasings: InstructionSet,
    map_side: int,
    rng: random.Random,
    max_targets: int | None = None,
) -> TrainingSample:
    """One instruction on a record, drawn at random: expression or caption, phrasing, and colour.

    Args:
        record: of a dataset that has the task.
        task: what to ask for.
        phrasings: the instruction set to draw words from.
        map_side: S, side of the output maps in pixels.
        rng: the only source of chance.
        max_targets: most boxes of an answer: expressions with more targets are not asked as detection. None for any.

    Raises:
        DatasetError: the record cannot be read, or has nothing to ask for.
    """
    image = record.rgb()
    size_hw = (image.shape[0], image.shape[1])
    if task is Task.SEMANTIC:
        ids, name = record.class_ids(size_hw), record.classes.label_set if record.classes else ""
        return TrainingSample(
            key=record.key,
            image=image,
            example=semantic_example(phrasings=phrasings, label_set=name, rng=rng),
            classes=_at_side(ids, map_side),
            label_set=name,
        )
    if task is Task.CAPTION:
        if not record.captions:
            raise DatasetError(f"image {record.key} has no captions; ask its dataset for another task")
        example = caption_example({"captions": record.captions}, phrasings=phrasings, rng=rng)
        return TrainingSample(key=record.key, image=image, example=example)
    most = max_targets if task is Task.DETECTION else None
    expression = _draw_expression(record, most, rng)
    mask = record.mask(expression.targets, size_hw)
    return TrainingSample(
        key=record.key,
        image=image,
        example=_referring(record, expression, size_hw, task=task, phrasings=phrasings, rng=rng),
        mask=_at_side(mask.astype(np.uint8), map_side).astype(bool),
    )


def expressions_of(record: Record, *, max_targets: int | None = None) -> Sequence[Expression]:
    """The expressions of a record that can be asked: those with words in them, and with not too many targets."""
    return [
        expression
        for expression in record.expressions
        if any(letter.isalnum() for letter in expression.text)
        and (max_targets is None or len(expression.targets) <= max_targets)
    ]


def _draw_expression(record: Record, max_targets: int | None, rng: random.Random) -> Expression:
    usable = expressions_of(record, max_targets=max_targets)
    if not usable:
        limit = "" if max_targets is None else f" with at most {max_targets} targets"
        raise DatasetError(f"image {record.key} has no expression{limit}; leave it out, or ask for another task")
    return rng.choice(usable)


def _referring(
    record: Record,
    expression: Expression,
    size_hw: tuple[int, int],
    *,
    task: Task,
    phrasings: InstructionSet,
    rng: random.Random,
) -> Example:
    """The example, in the terms of rendered frames: objects are numbered from 1."""
    objects = [
        {"index": place + 1, "box": record.targets[place].box or _bounds(record.mask([place], size_hw), record.key)}
        for place in expression.targets
    ]
    said = {"width": size_hw[1], "height": size_hw[0], "objects": objects}
    words = {
        "text": expression.text,
        "kind": expression.kind,
        "targets": [place + 1 for place in expression.targets],
    }
    return referring_example(said, words, task=task, phrasings=phrasings, rng=rng)


def _bounds(mask: NDArray[np.bool_], key: str) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of a mask in pixels, the last two just outside."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        raise DatasetError(f"the mask of {key} is empty; fetch it again")
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _at_side(ids: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if side < 1:
        raise ConfigError(f"maps of side {side} have no pixels; give the model's map side")
    return np.asarray(Image.fromarray(ids).resize((side, side), Image.Resampling.NEAREST))
