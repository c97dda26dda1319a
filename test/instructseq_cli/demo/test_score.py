"""The demo's scores against values worked out by hand."""

import numpy as np
import pytest

from instructseq_cli.demo.score import (
    average_precision,
    box_iou,
    mean_class_iou,
    names_mentioned,
    overall_iou,
    overlap,
    percentile,
)

FAR = (100.0, 100.0, 110.0, 110.0)
UNIT = (0.0, 0.0, 10.0, 10.0)


def test_overlap_counts_pixels():
    answer = np.array([[1, 1, 0], [0, 0, 0]])
    truth = np.array([[0, 255, 255], [0, 0, 0]])
    assert overlap(answer, truth) == (1, 3)


def test_overall_iou_weighs_large_objects_more_than_the_mean_does():
    assert overall_iou([(90, 100), (0, 10)]) == pytest.approx(90 / 110)
    assert overall_iou([(0, 0)]) == 1.0
    assert overall_iou([]) is None


def test_box_iou():
    assert box_iou(UNIT, (5.0, 0.0, 15.0, 10.0)) == pytest.approx(50 / 150)
    assert box_iou(UNIT, FAR) == 0.0
    assert box_iou(UNIT, (5.0, 5.0, 5.0, 5.0)) == 0.0


def test_average_precision_is_one_for_perfect_and_zero_for_missed_boxes():
    assert average_precision([([(UNIT, 0.3)], [UNIT]), ([(FAR, 0.9)], [FAR])]) == pytest.approx(1.0)
    assert average_precision([([(FAR, 0.9)], [UNIT])]) == 0.0
    assert average_precision([([], [UNIT])]) == 0.0
    assert average_precision([([(UNIT, 1.0)], [])]) is None


def test_a_wrong_box_costs_more_when_it_is_the_surer_one():
    wrong_first = average_precision([([(FAR, 0.9), (UNIT, 0.5)], [UNIT])])
    wrong_last = average_precision([([(UNIT, 0.9), (FAR, 0.5)], [UNIT])])
    assert wrong_first == pytest.approx(0.5)
    assert wrong_last == pytest.approx(1.0)


def test_a_second_box_on_the_same_object_is_wrong():
    assert average_precision([([(UNIT, 0.9), (UNIT, 0.8)], [UNIT, FAR])]) == pytest.approx(0.5)


def test_class_iou_is_the_mean_over_true_classes_and_ignores_unlabelled_truth_as_a_class():
    truth = np.array([[0, 0, 1, 1, 2, 2]])  # 2 is unlabelled
    answer = np.array([[0, 1, 1, 1, 2, 0]])
    # class 0: 1 of 3 pixels, class 1: 2 of 3
    assert mean_class_iou([(answer, truth)], classes=2) == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert mean_class_iou([], classes=2) is None


def test_names_are_found_by_their_head_word_also_in_the_plural():
    names = ["coffee mug", "teapot", "teapot", "measuring spoons"]
    assert names_mentioned("A mug and two teapots.", names) == ["coffee mug", "teapot"]


def test_percentile():
    assert percentile([1.0, 2.0, 3.0], 50) == 2.0
    assert percentile([], 95) is None
