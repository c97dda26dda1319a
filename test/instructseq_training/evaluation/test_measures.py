"""Metrics as sums over cases give what the metrics of whole sets, and torchmetrics, give."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassCalibrationError, MulticlassJaccardIndex

from instructseq_model.label_sets import label_set
from instructseq_model.perception import Task
from instructseq_training.evaluation.answers import Answer
from instructseq_training.evaluation.boxes import accuracy_at_iou
from instructseq_training.evaluation.cases import Case
from instructseq_training.evaluation.generalised import generalised_scores
from instructseq_training.evaluation.masks import referring_scores
from instructseq_training.evaluation.measures import MEASURES

IMAGE = np.zeros((20, 30, 3), np.uint8)
Pairs = list[tuple[Case, Answer]]


def value(metric: str, pairs: Pairs) -> float:
    """As evaluation takes it, the cases' part through JSON."""
    measure = MEASURES[metric]
    rows = json.loads(json.dumps([measure.of_case(case, answer) for case, answer in pairs]))
    return float(measure.score(measure.statistics([row for row in rows if row is not None]).sum(0)))


def referring(seed: int = 0) -> Pairs:
    generator = np.random.default_rng(seed)
    pairs = []
    for number in range(30):
        true, given = (
            generator.random((20, 30)) < share for share in (0.3 * (number % 3 > 0), 0.05 + 0.1 * (number % 2))
        )
        case = Case(image=IMAGE, instruction="", task=Task.SEGMENTATION, mask=true, object_class=f"name {number % 4}")
        pairs.append((case, Answer(task=Task.SEGMENTATION, mask=given)))
    return pairs


def semantic(name: str = "household") -> Pairs:
    generator, count = np.random.default_rng(1), len(label_set(name).names)
    pairs = []
    for _ in range(4):
        true = generator.integers(0, count + 1, (20, 30)).astype(np.uint8)
        given = np.where(generator.random((20, 30)) < 0.6, true, generator.integers(0, count, (20, 30)))
        case = Case(image=IMAGE, instruction="", task=Task.SEMANTIC, classes=true, label_set=name)
        sure = generator.random((20, 30)).astype(np.float32)
        pairs.append((case, Answer(task=Task.SEMANTIC, classes=given, label_set=name, confidence=sure)))
    return pairs


def test_mask_metrics_are_those_of_the_whole_set() -> None:
    pairs = referring()
    masks: Any = [(answer.mask, case.mask) for case, answer in pairs]
    whole, generalised = referring_scores(masks), generalised_scores(masks)
    assert value("oiou", pairs) == pytest.approx(whole.overall_iou)
    assert value("mask_miou", pairs) == pytest.approx(whole.mean_iou)
    assert value("ciou", pairs) == pytest.approx(generalised.c_iou)
    assert value("giou", pairs) == pytest.approx(generalised.g_iou)
    assert value("n_acc", pairs) == pytest.approx(generalised.n_accuracy)
    assert 0 < value("n_acc", pairs) < 1


def test_mean_over_names_is_the_mean_of_each_names_overall_iou() -> None:
    pairs = [pair for pair in referring(seed=3) if pair[0].mask is not None and pair[0].mask.any()]
    names = sorted({case.object_class for case, _ in pairs})
    each = [value("oiou", [pair for pair in pairs if pair[0].object_class == name]) for name in names]
    assert len(each) == 4
    assert value("class_miou", pairs) == pytest.approx(np.mean(each))


@pytest.mark.parametrize("name", ["household", "coco_stuff", "ade20k"])
def test_semantic_iou_agrees_with_torchmetrics(name: str) -> None:
    pairs, count = semantic(name), len(label_set(name).names)
    metric = MulticlassJaccardIndex(count + 1, ignore_index=count, average="none")
    seen = set()
    for case, answer in pairs:
        assert case.classes is not None
        assert answer.classes is not None
        metric.update(
            torch.from_numpy(answer.classes.astype(np.int64)), torch.from_numpy(case.classes.astype(np.int64))
        )
        labelled = case.classes < count
        seen |= set(case.classes[labelled].tolist()) | set(answer.classes[labelled].tolist())
    kept = sorted(seen - {count})
    assert value("miou", pairs) == pytest.approx(float(metric.compute()[kept].mean()))


def test_a_map_of_another_label_set_is_no_answer() -> None:
    (case, answer), *_ = semantic()
    other = Answer(task=Task.SEMANTIC, classes=answer.classes, label_set="ade20k")
    assert value("miou", [(case, other)]) == 0


def test_calibration_error_agrees_with_torchmetrics() -> None:
    generator = np.random.default_rng(2)
    true = generator.integers(0, 2, (3, 20, 30)).astype(np.uint8)
    sure = (0.5 + 0.5 * generator.random(true.shape)).astype(np.float32)
    given = (generator.random(true.shape) < 0.5).astype(np.uint8)
    pairs: Pairs = [
        (
            Case(image=IMAGE, instruction="", task=Task.SEMANTIC, classes=t),
            Answer(task=Task.SEMANTIC, classes=g, label_set="household", confidence=s),
        )
        for t, g, s in zip(true, given, sure, strict=True)
    ]
    probabilities = np.stack([np.where(given == k, sure, 1 - sure) for k in (0, 1)], -1).reshape(-1, 2)
    metric = MulticlassCalibrationError(2, n_bins=15)
    metric.update(torch.from_numpy(probabilities), torch.from_numpy(true.astype(np.int64).ravel()))
    assert value("ece", pairs) == pytest.approx(float(metric.compute()), abs=1e-5)


def test_ap50_is_over_expressions_with_one_box() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 4], [5, 5, 9, 9]])
    given = [np.array([[0.0, 0, 10, 6]]), np.array([[0.0, 0, 10, 9]]), np.zeros((0, 4))]
    pairs: Pairs = [
        (Case(image=IMAGE, instruction="", task=Task.DETECTION, boxes=b[None]), Answer(task=Task.DETECTION, boxes=g))
        for b, g in zip(boxes, given, strict=True)
    ]
    none = Case(image=IMAGE, instruction="", task=Task.DETECTION, boxes=np.zeros((0, 4)))
    pairs.append((none, Answer(task=Task.DETECTION, boxes=np.zeros((0, 4)))))
    expected = accuracy_at_iou([(g[0] if len(g) else None, b) for b, g in zip(boxes, given, strict=True)])
    assert value("ap50", pairs) == pytest.approx(expected) == pytest.approx(1 / 3)
    assert value("exact_boxes", pairs) == pytest.approx(2 / 4)


def test_an_answer_to_another_task_scores_nothing() -> None:
    for metric, (case, _) in (("oiou", referring()[1]), ("miou", semantic()[0])):
        assert value(metric, [(case, Answer(task=Task.CAPTION, caption="a mug"))]) == 0
    assert value("routing", [(semantic()[0][0], Answer(task=Task.CAPTION)), semantic()[0]]) == 0.5
