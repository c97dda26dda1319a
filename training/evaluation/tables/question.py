"""What is asked of a dataset, and who can ask it: the protocol that suites of evaluation cases follow."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from instructseq_model.errors import ConfigError
from instructseq_model.palette import NAMED_COLOURS
from instructseq_model.perception import Task
from instructseq_training.evaluation.cases import Case
from instructseq_training.instructions import InstructionSet, Phrasing, fill, load_instruction_set


class MissingDataError(ConfigError):
    """A dataset is not there; the message says what is missing and where it comes from."""


@dataclass(frozen=True)
class Question:
    """One task on one part of a dataset; questions that are equal have equal cases.

    Attributes:
        dataset: as the suite calls it.
        split: which part of it.
        task: what is asked.
        wording: an instruction set of config/instructions, or one phrasing with {object}.
    """

    dataset: str
    split: str
    task: Task
    wording: str

    @cached_property
    def phrasings(self) -> InstructionSet:
        """What instructions are phrased with."""
        if "{object}" in self.wording:
            return InstructionSet(name=self.wording, phrasings=(Phrasing(text=self.wording, task=self.task),))
        return load_instruction_set(self.wording)

    def instruction(self, rng: random.Random, *, expression: str | None = None, label_set: str | None = None) -> str:
        """One instruction that asks it.

        Args:
            rng: chooses phrasing and colour.
            expression: what is meant, for segmentation and detection.
            label_set: what a semantic map is to be labelled with.
        """
        chance, colour = rng.random(), rng.choice(list(NAMED_COLOURS))
        phrasings = self.phrasings.of(self.task, label_set=label_set)
        return fill(phrasings[int(chance * len(phrasings))], expression=expression, colour=colour)


class Suite(Protocol):
    """Where the cases of tables come from.

    Attributes:
        name: of its rows in config/tables.
        frames: images of each dataset that are taken if nothing else is said; None for all.
    """

    name: str
    frames: int | None

    def cases(self, question: Question, *, frames: int | None) -> Iterator[Case]:
        """The cases of a question, the same ones in the same order each time.

        Each has an `image_key`; cases of one image follow one another.

        Args:
            question: what is asked.
            frames: at most so many images; None for all.

        Raises:
            MissingDataError: the dataset is not there.
            ConfigError: the suite has no such dataset, split or task.
        """
