"""A mixture over datasets on disk: training samples by number, for a loop or a data loader."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from instructseq_model.perception import Task
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.mixture import Mixture, Schedule
from instructseq_training.datasets.overlap import FAMILY, TRAIN, HeldOutImages, held_out_images, open_training_split
from instructseq_training.datasets.record import Record, Split
from instructseq_training.datasets.samples import TrainingSample, draw_sample, expressions_of
from instructseq_training.datasets.shards import ShardedSplit, plan_file
from instructseq_training.instructions import InstructionSet


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Samples of a mixture; `data[n]` is the same for the same seed and n, whoever asks and whenever.

    Without a length: training ends by its steps. In a torch `DataLoader` it takes a sampler of numbers, such as
    `range(step * batch + rank, ..., ranks)`.

    Attributes:
        mixture: datasets, tasks and shares.
        splits: one a component.
        phrasings: the instruction set to draw words from.
        map_side: S, side of the output maps in pixels.
        max_targets: most boxes of an answer, None for any.
        seed: with the number, decides everything.
    """

    mixture: Mixture
    splits: tuple[Split, ...]
    phrasings: InstructionSet
    map_side: int
    max_targets: int | None
    seed: int

    @cached_property
    def schedule(self) -> Schedule:
        """Which record comes when."""
        return Schedule(mixture=self.mixture, sizes=tuple(len(split) for split in self.splits), seed=self.seed)

    def __getitem__(self, number: int) -> TrainingSample:
        place = self.schedule.place(number)
        task = self.mixture.components[place.component].task
        return draw_sample(
            self._askable(self.splits[place.component], place.record, task),
            task=task,
            phrasings=self.phrasings,
            map_side=self.map_side,
            rng=random.Random(f"{self.seed} {number}"),
            max_targets=self.max_targets,
        )

    def _askable(self, split: Split, first: int, task: Task) -> Record:
        """The record, or the next one after it that the task has an expression for.

        Raises:
            DatasetError: there is none in the whole split.
        """
        if task not in (Task.SEGMENTATION, Task.DETECTION):
            return split[first]
        most = self.max_targets if task is Task.DETECTION else None
        for step in range(len(split)):
            record = split[(first + step) % len(split)]
            if expressions_of(record, max_targets=most):
                return record
        raise DatasetError(f"no image has an expression for {task.value} with at most {most} targets; raise the limit")

    def batch(self, step: int, size: int) -> list[TrainingSample]:
        """The samples of a step."""
        return [self[number] for number in range(step * size, (step + 1) * size)]


@dataclass(frozen=True, kw_only=True)
class OpenedData:
    """Training data and one line a dataset about what was opened and what was left out."""

    data: TrainingData
    messages: tuple[str, ...]


def open_training_data(
    root: Path,
    mixture: Mixture,
    *,
    phrasings: InstructionSet,
    map_side: int,
    max_targets: int | None = None,
    seed: int = 0,
) -> OpenedData:
    """Open all datasets of a mixture; print the messages before training.

    Args:
        root: folder of all datasets, or of their shards: where a dataset has a plan of shards, these are read.
        mixture: datasets, tasks and shares.
        phrasings: the instruction set to draw words from.
        map_side: S, side of the output maps in pixels.
        max_targets: most boxes of an answer, None for any.
        seed: decides everything.

    Raises:
        DatasetError: a dataset is missing or damaged.
    """
    opened: dict[str, Split] = {}
    messages = []
    held_out: HeldOutImages | None = None
    for name in mixture.datasets:
        if plan_file(root, name, TRAIN).is_file():
            opened[name] = ShardedSplit(root, dataset=name, name=TRAIN)
            messages.append(f"{name}: {len(opened[name])} training images, in shards")
            continue
        if name in FAMILY and held_out is None:
            held_out = held_out_images(root)
        training = open_training_split(root, name, held_out=held_out)
        opened[name] = training.split
        messages.append(training.message(name))
    splits = tuple(opened[component.dataset] for component in mixture.components)
    data = TrainingData(
        mixture=mixture, splits=splits, phrasings=phrasings, map_side=map_side, max_targets=max_targets, seed=seed
    )
    return OpenedData(data=data, messages=tuple(messages))
