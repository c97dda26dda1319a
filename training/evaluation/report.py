"""Scoring the whole model, free-running, through the `Perceiver`: every number of the model card's table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from instructseq_model.errors import ConfigError
from instructseq_model.label_sets import label_set
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Task
from instructseq_training.evaluation.answers import Answer, ask
from instructseq_training.evaluation.bootstrap import bootstrap_interval
from instructseq_training.evaluation.boxes import accuracy_at_iou, exact_set_accuracy
from instructseq_training.evaluation.captions import bleu
from instructseq_training.evaluation.cases import Case
from instructseq_training.evaluation.masks import (
    confusion_matrix,
    mean_iou,
    overall_iou,
    pixel_accuracy,
    referring_scores,
)
from instructseq_training.evaluation.measures import MEASURES
from instructseq_training.scenes.shards import read_shard

WITH_INTERVAL = {"res_oiou": "oiou", "rec_ap50": "ap50", "semantic_miou": "miou", "no_target_accuracy": "n_acc"}
"""Score of the report: metric of `measures` that it is."""

Box = tuple[float, float, float, float]


def model_answers(perceiver: Perceiver, cases: Sequence[Case], *, samples: int = 1, title: str = "") -> list[Answer]:
    """Ask the model; it chooses the task itself. An instruction it refuses is answered by nothing."""
    return [ask(perceiver, case, samples=samples) for case in track(cases, description=title)]


def mean_answers(cases: Sequence[Case], scenes: Path) -> list[Answer]:
    """The baseline that knows training answers only: mean box and mask, the commonest class a place, one caption."""
    mask, box, classes, caption = _training_means(scenes)
    answers = []
    for case in cases:
        height, width = case.image.shape[:2]
        rows = np.arange(height) * mask.shape[0] // height
        columns = np.arange(width) * mask.shape[1] // width
        scaled = np.array([box]) * (width, height, width, height)
        answers.append(
            Answer(
                task=case.task,
                mask=mask[rows[:, None], columns],
                boxes=scaled,
                classes=classes[rows[:, None], columns],
                caption=caption,
            )
        )
    return answers


def scores(cases: Sequence[Case], answers: Sequence[Answer]) -> dict[str, float | int]:
    """All metrics that the cases allow, in [0, 1], with the number of cases behind each.

    res_oiou, res_miou: referring masks. rec_ap50: one box meant, the first box given has IoU 0.5 with it.
    rec_exact: all boxes right, none too many, also where none is meant. routing: the right task was chosen.
    """
    groups: dict[Task, list[tuple[Case, Answer]]] = defaultdict(list)
    for case, answer in zip(cases, answers, strict=True):
        groups[case.task].append((case, answer))
    found: dict[str, float | int] = {}
    found |= _mask_scores(groups[Task.SEGMENTATION])
    found |= _box_scores(groups[Task.DETECTION])
    found |= _semantic_scores(groups[Task.SEMANTIC])
    if groups[Task.CAPTION]:
        captions = [answer.caption or "" for _, answer in groups[Task.CAPTION]]
        found["bleu4"] = bleu(captions, [c.captions for c, _ in groups[Task.CAPTION]], tokenizer="regex").bleu_4
        found["caption_count"] = len(captions)
    found["routing"] = float(np.mean([case.task is answer.task for case, answer in zip(cases, answers, strict=True)]))
    return found


def intervals(cases: Sequence[Case], answers: Sequence[Answer]) -> dict[str, list[float]]:
    """Ends of the 95 % bootstrap intervals over images, of the scores of masks, boxes and maps: `res_oiou_ci95` ..."""
    found = {}
    for name, metric in WITH_INTERVAL.items():
        how = MEASURES[metric]
        pairs = [(case, answer) for case, answer in zip(cases, answers, strict=True) if case.task in how.tasks]
        rows = [(case.image_key or id(case.image), how.of_case(case, answer)) for case, answer in pairs]
        about = [(image, row) for image, row in rows if row is not None]
        if not about:
            continue
        ends = bootstrap_interval(how.statistics([row for _, row in about]), [image for image, _ in about], how.score)
        if ends is not None:
            found[f"{name}_ci95"] = list(ends)
    return found


def _mask_scores(pairs: list[tuple[Case, Answer]]) -> dict[str, float | int]:
    masks: dict[str, list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]] = defaultdict(list)
    for case, answer in pairs:
        assert case.mask is not None
        masks[case.kind].append((np.zeros_like(case.mask) if answer.mask is None else answer.mask, case.mask))
    every = [pair for group in masks.values() for pair in group]
    if not every:
        return {}
    whole = referring_scores(every)
    found: dict[str, float | int] = {
        "res_oiou": whole.overall_iou,
        "res_miou": whole.mean_iou,
        "res_count": len(every),
    }
    if whole.no_target_accuracy is not None:
        found["no_target_accuracy"] = whole.no_target_accuracy
    by_kind = {f"res_oiou_{kind}": overall_iou(g) for kind, g in sorted(masks.items()) if any(t.any() for _, t in g)}
    return found | by_kind


def _box_scores(pairs: list[tuple[Case, Answer]]) -> dict[str, float | int]:
    single, sets = [], []
    for case, answer in pairs:
        assert case.boxes is not None
        given = np.zeros((0, 4)) if answer.boxes is None else answer.boxes
        sets.append((given, case.boxes))
        if len(case.boxes) == 1:
            single.append((given[0] if len(given) else None, case.boxes[0]))
    found: dict[str, float | int] = {}
    if single:
        found |= {"rec_ap50": accuracy_at_iou(single), "rec_count": len(single)}
    if sets:
        found["rec_exact"] = exact_set_accuracy(sets)
    return found


def _semantic_scores(pairs: list[tuple[Case, Answer]]) -> dict[str, float | int]:
    if not pairs:
        return {}
    known = label_set("household")
    matrix = np.zeros((len(known.names), len(known.names) + 1), np.int64)
    for case, answer in pairs:
        assert case.classes is not None
        given = np.full(case.classes.shape, known.unlabelled) if answer.classes is None else answer.classes
        matrix += confusion_matrix(given, case.classes, classes=len(known.names))
    return {
        "semantic_miou": mean_iou(matrix),
        "pixel_accuracy": pixel_accuracy(matrix),
        "semantic_count": len(pairs),
    }


def _training_means(scenes: Path) -> tuple[NDArray[np.bool_], Box, NDArray[np.integer], str]:
    """Over one training shard: where objects lie most often, the mean box, the commonest classes, a caption."""
    shard = min(scenes.glob("train-*.tar"))
    share, boxes, votes, caption = None, [], None, ""
    for sample in read_shard(shard):
        height, width = sample.instances.shape
        if share is None or votes is None:
            share, votes = np.zeros((height, width)), np.zeros((len(label_set("household").names), height, width))
        for found in sample.record["objects"]:
            share += sample.instances == found["index"]
            x1, y1, x2, y2 = found["box"]
            boxes.append((x1 / width, y1 / height, x2 / width, y2 / height))
        np.add.at(votes, (sample.classes, *np.indices(sample.classes.shape)), 1)
        caption = caption or sample.record["captions"][0]
    if share is None or votes is None:
        raise ConfigError(f"{shard} holds no frame; render the training split again")
    area = np.mean([(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in boxes])
    mask = share >= np.quantile(share, 1 - area)
    x1, y1, x2, y2 = (float(value) for value in np.mean(boxes, 0))
    return mask, (x1, y1, x2, y2), votes.argmax(0), caption
