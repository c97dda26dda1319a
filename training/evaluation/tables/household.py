"""The household suite: rendered scenes, from folders of shards that `instructseq scenes` wrote."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task
from instructseq_training.evaluation.cases import Case, spread_frames
from instructseq_training.evaluation.tables.question import MissingDataError, Question
from instructseq_training.examples import draw_expressions
from instructseq_training.scenes.shards import Sample

LABEL_SET = "household"
EXPRESSIONS_A_FRAME = 2
MOST_TARGETS = 6

Expression = Mapping[str, Any]


def _any(expression: Expression, held_out: set[int]) -> bool:
    return True


def _single(expression: Expression, held_out: set[int]) -> bool:
    return len(expression["targets"]) == 1


def _new_name(expression: Expression, held_out: set[int]) -> bool:
    return expression["kind"] == "name" and _single(expression, held_out) and held_out.issuperset(expression["targets"])


def _known_name(expression: Expression, held_out: set[int]) -> bool:
    return expression["kind"] == "name" and _single(expression, held_out) and held_out.isdisjoint(expression["targets"])


DATASETS: Mapping[str, Callable[[Expression, set[int]], bool]] = {
    "household": _any,
    "household-any": _any,
    "household-single": _single,
    "household-new-names": _new_name,
    "household-known-names": _known_name,
}
"""Which expressions each dataset holds: like gRefCOCO all of them, those without a target too; like RefCOCO those that
mean one object; bare names of objects that are never trained on, and of those that are."""


class HouseholdSuite:
    """Cases on rendered scenes.

    Args:
        folder: of shards, splits val and heldout.
        seed: decides expressions, phrasings and colours; those of a frame depend on nothing else.
    """

    name = "household"
    frames: int | None = 60

    def __init__(self, folder: Path, *, seed: int = 0) -> None:
        self.folder, self.seed = folder, seed

    def cases(self, question: Question, *, frames: int | None) -> Iterator[Case]:
        """See `question.Suite`."""
        if question.dataset not in DATASETS:
            raise ConfigError(f"the household suite has no {question.dataset!r}; it has {', '.join(DATASETS)}")
        if not any(self.folder.glob(f"{question.split}-*.tar")):
            raise MissingDataError(
                f"{self.folder} holds no {question.split}-*.tar; render them: "
                f"instructseq scenes {self.folder} --frames 400 --split {question.split}"
            )
        for sample in spread_frames(self.folder, question.split, frames or 1_000_000):
            yield from self._of_frame(sample, question)

    def _of_frame(self, sample: Sample, question: Question) -> Iterator[Case]:
        said = sample.record
        rng = random.Random(f"{self.seed} {sample.key}")
        if question.task is Task.SEMANTIC:
            words = question.instruction(rng, label_set=LABEL_SET)
            yield Case(
                image=sample.rgb,
                instruction=words,
                task=question.task,
                classes=sample.classes,
                image_key=sample.key,
                label_set=LABEL_SET,
            )
        elif question.task is Task.CAPTION:
            words = question.instruction(rng)
            yield Case(
                image=sample.rgb,
                instruction=words,
                task=question.task,
                captions=tuple(said["captions"]),
                image_key=sample.key,
            )
        else:
            for expression in _expressions(said, DATASETS[question.dataset], rng):
                yield _referring_case(sample, expression, question, rng)


def _expressions(
    said: Mapping[str, Any], wanted: Callable[[Expression, set[int]], bool], rng: random.Random
) -> Sequence[Expression]:
    """Up to two different expressions of a frame, their kinds drawn first."""
    held_out = {found["index"] for found in said["objects"] if found["held_out"]}
    fitting = [e for e in said["expressions"] if len(e["targets"]) <= MOST_TARGETS and wanted(e, held_out)]
    chosen: list[Expression] = []
    while fitting and len(chosen) < EXPRESSIONS_A_FRAME:
        among = {**said, "expressions": fitting}
        chosen += draw_expressions(among, 1, kind_weights={}, max_targets=MOST_TARGETS, rng=rng)
        fitting = [e for e in fitting if e["text"] != chosen[-1]["text"]]
    return chosen


def _referring_case(sample: Sample, expression: Expression, question: Question, rng: random.Random) -> Case:
    targets = expression["targets"]
    objects = [found for found in sample.record["objects"] if found["index"] in targets]
    segmentation = question.task is Task.SEGMENTATION
    return Case(
        image=sample.rgb,
        instruction=question.instruction(rng, expression=expression["text"]),
        task=question.task,
        mask=np.isin(sample.instances, targets) if segmentation else None,
        boxes=None if segmentation else np.array([found["box"] for found in objects], float).reshape(-1, 4),
        kind=expression["kind"],
        image_key=sample.key,
        object_class=objects[0]["name"] if objects else "",
    )
