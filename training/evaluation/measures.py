"""Metrics as sums over cases: what each case adds, and what score a sum gives.

This form lets processes measure cases apart and join them, and gives every metric a bootstrap interval. What one case
adds is plain JSON, so that it can travel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_model.label_sets import label_set
from instructseq_model.perception import Task
from instructseq_training.evaluation.answers import Answer
from instructseq_training.evaluation.boxes import accuracy_at_iou, exact_set_accuracy
from instructseq_training.evaluation.calibration import reliability
from instructseq_training.evaluation.cases import Case
from instructseq_training.evaluation.generalised import SMALLEST_AREA
from instructseq_training.evaluation.masks import mask_areas

Statistics = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One metric.

    Attributes:
        title: as tables print it.
        tasks: of the cases that it is for.
        of_case: what a case and its answer give, as JSON; None for a case that the metric is not about.
        statistics: from the cases' JSON to N x D, what each adds to the sums.
        score: from sums, ... x D, to scores, ..., in [0, 1] (CIDEr in [0, 10]); NaN where they allow none.
    """

    title: str
    tasks: tuple[Task, ...]
    of_case: Callable[[Case, Answer], Any]
    statistics: Callable[[Sequence[Any]], Statistics]
    score: Callable[[Statistics], Statistics]


def ratio(sums: Statistics) -> Statistics:
    """First column over the second, NaN over 0: ... x 2 to ...."""
    found = np.full(sums.shape[:-1], np.nan)
    np.divide(sums[..., 0], sums[..., 1], out=found, where=sums[..., 1] > 0)
    return found


def class_mean(sums: Statistics) -> Statistics:
    """Mean IoU over the classes with a union: ... x 2C (intersections, then unions) to ...."""
    intersection, union = np.split(sums, 2, axis=-1)
    there = union > 0
    iou = np.divide(intersection, union, out=np.zeros_like(union), where=there)
    return ratio(np.stack([iou.sum(-1), there.sum(-1)], -1))


def calibration_error(sums: Statistics) -> Statistics:
    """Expected calibration error: ... x 3B (counts, sums of confidences, counts of right ones) to ...."""
    counts, confidences, right = np.split(sums, 3, axis=-1)
    return ratio(np.stack([np.abs(confidences - right).sum(-1), counts.sum(-1)], -1))


def _columns(rows: Sequence[Any]) -> Statistics:
    return np.array(rows, dtype=np.float64)


def _areas(case: Case, answer: Answer, *, smallest_area: int = 1) -> tuple[int, int, int]:
    """Intersection, union, true area."""
    assert case.mask is not None
    given = np.zeros_like(case.mask) if answer.mask is None else answer.mask
    return mask_areas(given, case.mask, smallest_area=smallest_area)


def _overall(case: Case, answer: Answer) -> list[float]:
    return list(_areas(case, answer)[:2])


def _mean(case: Case, answer: Answer) -> list[float]:
    intersection, union, _ = _areas(case, answer)
    return [intersection / union if union else 1.0, 1]


def _generalised_overall(case: Case, answer: Answer) -> list[float]:
    return list(_areas(case, answer, smallest_area=SMALLEST_AREA)[:2])


def _generalised_mean(case: Case, answer: Answer) -> list[float]:
    intersection, union, _ = _areas(case, answer, smallest_area=SMALLEST_AREA)
    return [intersection / union if union else 1.0, 1]


def _no_target(case: Case, answer: Answer) -> list[float] | None:
    _, union, true = _areas(case, answer, smallest_area=SMALLEST_AREA)
    return None if true else [float(union == 0), 1]


def _box(case: Case, answer: Answer) -> list[float] | None:
    assert case.boxes is not None
    first = None if answer.boxes is None or not len(answer.boxes) else answer.boxes[0]
    return [accuracy_at_iou([(first, case.boxes[0])]), 1] if len(case.boxes) == 1 else None


def _box_set(case: Case, answer: Answer) -> list[float]:
    assert case.boxes is not None
    return [exact_set_accuracy([(np.zeros((0, 4)) if answer.boxes is None else answer.boxes, case.boxes)]), 1]


def _routing(case: Case, answer: Answer) -> list[float]:
    return [float(case.task is answer.task), 1]


def _semantic(case: Case, answer: Answer) -> dict[str, Any]:
    """Sparse counts: class, hits, union."""
    assert case.classes is not None
    count = len(label_set(case.label_set).names)
    labelled = case.classes < count
    true = np.bincount(case.classes[labelled], minlength=count)
    given, hits = np.zeros_like(true), np.zeros_like(true)
    if answer.classes is not None and answer.label_set == case.label_set:
        said = answer.classes[labelled]
        given = np.bincount(said[said < count], minlength=count)
        hits = np.bincount(said[said == case.classes[labelled]], minlength=count)
    union = true + given - hits
    there = np.flatnonzero(union)
    return {"classes": count, "ids": there.tolist(), "hits": hits[there].tolist(), "union": union[there].tolist()}


def _semantic_statistics(rows: Sequence[Any]) -> Statistics:
    count = max(row["classes"] for row in rows)
    found = np.zeros((len(rows), 2, count))
    for number, row in enumerate(rows):
        found[number, 0, row["ids"]], found[number, 1, row["ids"]] = row["hits"], row["union"]
    return found.reshape(len(rows), -1)


def _object_class(case: Case, answer: Answer) -> list[Any]:
    return [case.object_class, *_areas(case, answer)[:2]]


def _object_class_statistics(rows: Sequence[Any]) -> Statistics:
    names = {name: number for number, name in enumerate(sorted({row[0] for row in rows}))}
    found = np.zeros((len(rows), 2, len(names)))
    for number, (name, intersection, union) in enumerate(rows):
        found[number, :, names[name]] = intersection, union
    return found.reshape(len(rows), -1)


def _calibration(case: Case, answer: Answer) -> list[list[float]]:
    """Counts, sums of confidences and counts of right pixels, by bins; of no pixel where there is no such answer."""
    found = reliability([], [])
    if answer.confidence is not None and case.classes is not None and answer.classes is not None:
        labelled = case.classes < len(label_set(case.label_set).names)
        right = (answer.classes == case.classes)[labelled]
        found = reliability(answer.confidence[labelled].clip(0, 1), right)
    elif answer.confidence is not None and case.mask is not None and answer.mask is not None:
        found = reliability(answer.confidence.clip(0, 1), answer.mask == case.mask)
    return [found.counts.tolist(), found.confidence_sums.tolist(), found.correct_counts.tolist()]


def _calibration_statistics(rows: Sequence[Any]) -> Statistics:
    return np.array(rows, dtype=np.float64).reshape(len(rows), -1)


def _shares(title: str, of_case: Callable[[Case, Answer], list[float] | None], *tasks: Task) -> Measure:
    return Measure(title=title, tasks=tasks, of_case=of_case, statistics=_columns, score=ratio)


MEASURES: Mapping[str, Measure] = {
    "miou": Measure(
        title="mIoU",
        tasks=(Task.SEMANTIC,),
        of_case=_semantic,
        statistics=_semantic_statistics,
        score=class_mean,
    ),
    "oiou": _shares("oIoU", _overall, Task.SEGMENTATION),
    "mask_miou": _shares("mean mask IoU", _mean, Task.SEGMENTATION),
    "giou": _shares("gIoU", _generalised_mean, Task.SEGMENTATION),
    "ciou": _shares("cIoU", _generalised_overall, Task.SEGMENTATION),
    "n_acc": _shares("N-acc", _no_target, Task.SEGMENTATION),
    "class_miou": Measure(
        title="mIoU over names",
        tasks=(Task.SEGMENTATION,),
        of_case=_object_class,
        statistics=_object_class_statistics,
        score=class_mean,
    ),
    "ap50": _shares("AP50", _box, Task.DETECTION),
    "exact_boxes": _shares("exact boxes", _box_set, Task.DETECTION),
    "routing": _shares("right task", _routing, *Task),
    "ece": Measure(
        title="ECE",
        tasks=(Task.SEMANTIC, Task.SEGMENTATION),
        of_case=_calibration,
        statistics=_calibration_statistics,
        score=calibration_error,
    ),
}
"""Every metric of maps and boxes, by the name that table specifications use; captions have theirs in
`caption_measures`."""
