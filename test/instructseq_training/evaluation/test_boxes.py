from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchvision.ops import box_iou as torchvision_iou

from instructseq_training.evaluation.boxes import (
    ScoredBoxes,
    accuracy_at_iou,
    as_boxes,
    average_precision,
    box_iou,
    exact_set_accuracy,
)

GENERATOR = np.random.default_rng(2)


def random_boxes(count: int) -> np.ndarray:
    corner = GENERATOR.uniform(0, 60, (count, 2))
    return np.concatenate([corner, corner + GENERATOR.uniform(5, 40, (count, 2))], 1)


def near(boxes: np.ndarray, spread: float) -> np.ndarray:
    return boxes + GENERATOR.uniform(-spread, spread, boxes.shape)


def test_iou_agrees_with_torchvision() -> None:
    one, other = random_boxes(6), random_boxes(4)
    expected = torchvision_iou(torch.from_numpy(one), torch.from_numpy(other)).numpy()
    np.testing.assert_allclose(box_iou(one, other), expected)


def test_boxes_without_area_overlap_nothing() -> None:
    assert box_iou([[1, 1, 1, 5]], [[1, 1, 1, 5], [0, 0, 9, 9]]).tolist() == [[0, 0]]
    assert box_iou([], [[0, 0, 1, 1]]).shape == (0, 1)


def test_accuracy_counts_overlap_of_exactly_half_and_no_box_as_wrong() -> None:
    true = [0, 0, 10, 10]
    pairs = [([0, 0, 10, 10], true), ([0, 0, 10, 5], true), ([0, 0, 10, 4.9], true), (None, true)]
    assert accuracy_at_iou(pairs) == 0.5
    assert accuracy_at_iou(pairs, threshold=0.9) == 0.25


def random_samples(count: int) -> list[ScoredBoxes]:
    samples = []
    for _ in range(count):
        targets = random_boxes(int(GENERATOR.integers(0, 5)))
        boxes = np.concatenate([near(targets, 2.4), random_boxes(2)])
        samples.append(ScoredBoxes(boxes=boxes, scores=GENERATOR.uniform(0.1, 1, len(boxes)), targets=targets))
    return samples


def coco_rows(boxes: np.ndarray, image: int) -> list[dict[str, Any]]:
    sides = boxes[:, 2:] - boxes[:, :2]
    return [
        {"image_id": image, "category_id": 1, "iscrowd": 0, "bbox": [*box[:2], *side], "area": float(side.prod())}
        for box, side in zip(boxes, sides, strict=True)
    ]


@pytest.mark.parametrize("threshold", [0.5, 0.75])
def test_average_precision_agrees_with_coco(threshold: float, capsys: pytest.CaptureFixture[str]) -> None:
    samples = random_samples(30)
    true = [row for i, sample in enumerate(samples) for row in coco_rows(sample.targets, i)]
    predicted = [
        {**row, "score": score}
        for i, sample in enumerate(samples)
        for row, score in zip(coco_rows(sample.boxes, i), sample.scores, strict=True)
    ]
    truth = COCO()
    truth.dataset = {
        "images": [{"id": i} for i in range(len(samples))],
        "annotations": [{**row, "id": number} for number, row in enumerate(true, 1)],
        "categories": [{"id": 1}],
    }
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes(predicted), "bbox")
    evaluation.params.iouThrs = np.array([threshold])
    evaluation.evaluate()
    evaluation.accumulate()
    capsys.readouterr()  # the evaluation prints its progress
    expected = evaluation.eval["precision"][0, :, 0, 0, 2].mean()  # IoU, recall, class, area, most boxes
    assert 0.05 < expected < 0.95
    assert average_precision(samples, threshold=threshold) == pytest.approx(expected)


def test_second_box_on_the_same_object_is_a_false_alarm() -> None:
    box = [0.0, 0.0, 10.0, 10.0]
    sample = ScoredBoxes(boxes=as_boxes([box, box]), scores=np.array([0.9, 0.8]), targets=as_boxes([box]))
    assert average_precision([sample]) == 1
    missed = ScoredBoxes(boxes=as_boxes([]), scores=np.zeros(0), targets=as_boxes([box]))
    assert average_precision([sample, missed]) == pytest.approx(51 / 101)
    assert average_precision([missed]) == 0


def test_exact_sets_need_every_box_and_no_other() -> None:
    a, b = [0, 0, 10, 10], [20, 20, 30, 30]
    assert exact_set_accuracy([([b, a], [a, b])]) == 1
    assert exact_set_accuracy([([a], [a, b])]) == 0
    assert exact_set_accuracy([([a, a], [a, b])]) == 0
    assert exact_set_accuracy([([a, b], [a])]) == 0
    assert exact_set_accuracy([([], []), ([a], [])]) == 0.5


def test_empty_lists_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        accuracy_at_iou([])
    with pytest.raises(ValueError, match="at least one"):
        exact_set_accuracy([])
    with pytest.raises(ValueError, match="true box"):
        average_precision([])
    with pytest.raises(ValueError, match="N x 4"):
        box_iou([1, 2, 3, 4], [[1, 2, 3, 4]])
