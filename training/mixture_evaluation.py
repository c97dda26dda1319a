"""Free-running evaluation during training on a mixture: its datasets' validation images, through the `Perceiver`.

A glance at how training goes; `instructseq tables --suite coco` measures.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from instructseq_model.errors import InstructSeqError
from instructseq_model.geometry import resize_image, stretch
from instructseq_model.label_sets import label_set
from instructseq_model.model import InstructSeq
from instructseq_model.palette import paint
from instructseq_model.perceiver import KIND_OF_TASK, Perceiver
from instructseq_model.perception import Task
from instructseq_training.datasets.mixture import Mixture
from instructseq_training.datasets.record import Split
from instructseq_training.datasets.table import open_split
from instructseq_training.evaluation.answers import Answer, answer_of
from instructseq_training.evaluation.captions import bleu
from instructseq_training.evaluation.cases import Case
from instructseq_training.evaluation.measures import MEASURES
from instructseq_training.evaluation.tables.public import cases_of
from instructseq_training.evaluation.tables.question import Question
from instructseq_training.samples import GIVEN, RIGHT, Sample, with_boxes

VALIDATION = "val"
WORDING = "held_out"
METRICS = {Task.SEMANTIC: "miou", Task.SEGMENTATION: "oiou", Task.DETECTION: "exact_boxes"}


@dataclass(frozen=True, kw_only=True)
class ValidationPart:
    """What one component of a mixture is evaluated on.

    Attributes:
        question: its dataset, split, task and wording.
        split: the records.
        share: of the mixture, in (0, 1].
    """

    question: Question
    split: Split
    share: float

    def cases(self, count: int) -> Iterator[Case]:
        """One case of each of `count` images, spread evenly over the split; the same ones each time."""
        count = min(count, len(self.split))
        for number in range(count):
            record = self.split[number * len(self.split) // count]
            rng = random.Random(record.key)
            cases = list(cases_of(record, self.question, rng))
            if cases:
                yield rng.choice(cases)


def open_validation(root: Path, mixture: Mixture) -> tuple[list[ValidationPart], list[str]]:
    """The validation split of each component, and a line on each dataset that has none on disk.

    A run does not need them: shards hold training splits alone.
    """
    splits: dict[str, Split] = {}
    lacking = []
    for name in mixture.datasets:
        try:
            splits[name] = open_split(root, name, VALIDATION)
        except InstructSeqError as error:
            lacking.append(f"{name}: not evaluated during training ({error})")
    parts = [
        ValidationPart(
            question=Question(component.dataset, VALIDATION, component.task, WORDING),
            split=splits[component.dataset],
            share=share,
        )
        for component, share in zip(mixture.components, mixture.shares, strict=True)
        if component.dataset in splits
    ]
    return parts, lacking


def evaluate_parts(model: InstructSeq, parts: Sequence[ValidationPart], *, count: int) -> dict[str, float]:
    """Scores of the model's most probable answers, the task given.

    Args:
        model: in evaluation mode.
        parts: what to ask.
        count: images in all; each part gets its share, one at least.

    Returns:
        In [0, 1], by dataset and metric (`coco_stuff_miou`, `refcoco_oiou`, `refcoco_exact_boxes`,
        `coco_captions_bleu4`), and `kind_accuracy`: how often the model itself would have chosen the right kind.
    """
    perceiver = Perceiver(model)
    right: list[bool] = []
    scores: dict[str, float] = {}
    for part in parts:
        asked = []
        for case in part.cases(max(1, round(count * part.share))):
            answer, chose_right = _asked(perceiver, case)
            right.append(chose_right)
            asked.append((case, answer))
        if asked:
            name, value = _scored(part.question.task, asked)
            scores[f"{part.question.dataset}_{name}"] = value
    return scores | ({"kind_accuracy": float(np.mean(right))} if right else {})


def show_parts(model: InstructSeq, parts: Sequence[ValidationPart], *, count: int) -> list[Sample]:
    """Answers to be looked at: `count` of each task, from the first parts that have it."""
    perceiver = Perceiver(model)
    side = model.config.vqvae.resolution
    samples = []
    for task in Task:
        of_task = [part for part in parts if part.question.task is task]
        cases = [case for part in of_task for case in part.cases(-(-count // len(of_task)))][:count]
        for number, case in enumerate(cases):
            answer, _ = _asked(perceiver, case)
            right = Answer(task=task, mask=case.mask, boxes=case.boxes, classes=case.classes, label_set=case.label_set)
            picture = np.concatenate(
                [_drawn(case, said, side, colour) for said, colour in ((right, RIGHT), (answer, GIVEN))], 1
            )
            text = case.instruction
            if task is Task.CAPTION:
                text += f"\n\nright: {case.captions[0]}\n\nanswered: {answer.caption}"
            samples.append(Sample(name=f"{task.value}/{number}", picture=picture, text=text))
    return samples


def _asked(perceiver: Perceiver, case: Case) -> tuple[Answer, bool]:
    """The answer to a case, and whether the model itself would have given one of this kind."""
    label = case.label_set if case.task is Task.SEMANTIC else None
    found = perceiver(case.image, case.instruction, task=case.task, label_set=label)
    chosen = max(found.kind_probabilities, key=lambda kind: found.kind_probabilities[kind])
    return answer_of(found), chosen == KIND_OF_TASK[case.task].value


def _scored(task: Task, asked: Sequence[tuple[Case, Answer]]) -> tuple[str, float]:
    """A metric's name and value."""
    if task is Task.CAPTION:
        said = [answer.caption or "" for _, answer in asked]
        return "bleu4", bleu(said, [case.captions for case, _ in asked], tokenizer="regex").bleu_4
    measure = MEASURES[METRICS[task]]
    rows = [row for row in (measure.of_case(case, answer) for case, answer in asked) if row is not None]
    return METRICS[task], float(measure.score(measure.statistics(rows).sum(0)))


def _drawn(case: Case, answer: Answer, side: int, colour: str) -> np.ndarray:
    """An answer as a picture, S x S x 3 uint8: classes in their colours, masks and boxes on the darkened image."""
    height, width = case.image.shape[:2]
    if answer.classes is not None and answer.label_set is not None and case.task is Task.SEMANTIC:
        shown = paint(answer.classes.astype(np.uint8), label_set(answer.label_set))
    elif answer.mask is not None:
        shown = np.where(answer.mask[..., None], case.image, case.image // 4)
    elif answer.boxes is not None:
        parts = answer.boxes / np.array([width, height, width, height], float)
        return with_boxes(resize_image(case.image, stretch((width, height), side)), parts, colour=colour)
    else:
        shown = case.image
    return resize_image(np.ascontiguousarray(shown), stretch((width, height), side))
