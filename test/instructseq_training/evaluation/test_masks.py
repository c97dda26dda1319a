import numpy as np
import pytest
import torch
from torchmetrics.classification import BinaryJaccardIndex, MulticlassAccuracy, MulticlassJaccardIndex

from instructseq_training.evaluation.masks import (
    class_iou,
    confusion_matrix,
    mean_iou,
    overall_iou,
    pixel_accuracy,
    referring_scores,
)


def square(corner: int, side: int = 4) -> np.ndarray:
    mask = np.zeros((10, 12), dtype=bool)
    mask[corner : corner + side, corner : corner + side] = True
    return mask


NOTHING = np.zeros((10, 12), dtype=bool)


def test_scores_of_two_expressions_match_hand_count() -> None:
    scores = referring_scores([(square(0), square(1)), (square(0, 8), square(0, 8))])
    assert scores.count == 2
    assert scores.overall_iou == pytest.approx((9 + 64) / (23 + 64))
    assert scores.mean_iou == pytest.approx((9 / 23 + 1) / 2)
    assert scores.share_above_half == 0.5
    assert scores.no_target_accuracy is None
    assert scores.target_accuracy == 1


def test_no_target_counts_as_gres_prescribes() -> None:
    scores = referring_scores([(NOTHING, NOTHING), (square(0), NOTHING), (NOTHING, square(0)), (square(2), square(2))])
    assert scores.mean_iou == pytest.approx((1 + 0 + 0 + 1) / 4)
    assert scores.no_target_accuracy == 0.5
    assert scores.target_accuracy == 0.5
    assert scores.overall_iou == pytest.approx(16 / (16 + 16 + 16))


def test_small_predictions_count_as_nothing_when_asked() -> None:
    pairs = [(square(0, 7), NOTHING)]
    assert referring_scores(pairs, smallest_area=49).no_target_accuracy == 0
    assert referring_scores(pairs, smallest_area=50).no_target_accuracy == 1


def test_nothing_predicted_where_nothing_is_meant_is_perfect() -> None:
    assert overall_iou([(NOTHING, NOTHING)]) == 1


def test_overall_iou_agrees_with_torchmetrics() -> None:
    generator = np.random.default_rng(0)
    pairs = [(generator.random((9, 7)) > 0.4, generator.random((9, 7)) > 0.6) for _ in range(20)]
    metric = BinaryJaccardIndex()
    for predicted, true in pairs:
        metric.update(torch.from_numpy(predicted).int(), torch.from_numpy(true).int())
    assert overall_iou(pairs) == pytest.approx(float(metric.compute()))


def test_pairs_may_differ_in_size_from_each_other() -> None:
    assert overall_iou([(square(0), square(0)), (NOTHING[:3], ~NOTHING[:3])]) == pytest.approx(16 / (16 + 36))


def test_wrong_masks_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        overall_iou([(NOTHING, NOTHING[:5])])
    with pytest.raises(ValueError, match="bool"):
        overall_iou([(NOTHING.astype(np.uint8), NOTHING)])
    with pytest.raises(ValueError, match="at least one"):
        overall_iou([])


def random_maps(classes: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    true = generator.integers(0, classes, (5, 20, 30))
    predicted = np.where(generator.random(true.shape) < 0.6, true, generator.integers(0, classes, true.shape))
    true[:, :3] = 255
    return predicted, true


def test_mean_iou_over_images_agrees_with_torchmetrics() -> None:
    predicted, true = random_maps(7)
    matrix = sum(confusion_matrix(p, t, classes=7) for p, t in zip(predicted, true, strict=True))
    metric = MulticlassJaccardIndex(7, ignore_index=255)
    accuracy = MulticlassAccuracy(7, average="micro", ignore_index=255)
    metric.update(torch.from_numpy(predicted), torch.from_numpy(true))
    accuracy.update(torch.from_numpy(predicted), torch.from_numpy(true))
    assert mean_iou(matrix) == pytest.approx(float(metric.compute()))
    assert pixel_accuracy(matrix) == pytest.approx(float(accuracy.compute()))


def test_unlabelled_predictions_are_misses_and_unlabelled_truth_is_left_out() -> None:
    true = np.array([[0, 0, 1, 1, 2]])  # 2 = unlabelled
    predicted = np.array([[0, 2, 1, 0, 0]])
    matrix = confusion_matrix(predicted, true, classes=2)
    assert matrix.tolist() == [[1, 0, 1], [1, 1, 0]]
    assert class_iou(matrix).tolist() == pytest.approx([1 / 3, 1 / 2])
    assert mean_iou(matrix) == pytest.approx(5 / 12)
    assert pixel_accuracy(matrix) == 0.5


def test_classes_that_do_not_occur_are_left_out_of_the_mean() -> None:
    matrix = confusion_matrix(np.array([[0, 0]], np.uint8), np.array([[0, 0]], np.uint16), classes=171)
    assert matrix.shape == (171, 172)
    assert mean_iou(matrix) == 1
    assert np.isnan(class_iou(matrix)[1:]).all()


def test_maps_of_two_sizes_and_empty_matrices_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        confusion_matrix(np.zeros((2, 2), int), np.zeros((2, 3), int), classes=2)
    with pytest.raises(ValueError, match="empty"):
        mean_iou(np.zeros((2, 3), np.int64))
