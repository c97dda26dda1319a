import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructseq_model.aggregation import box_set_iou, most_agreed, pairwise_box_iou, pairwise_mask_iou, vote

SIDE = 12
coordinate = st.integers(0, SIDE)
boxes = st.lists(st.tuples(coordinate, coordinate, coordinate, coordinate), max_size=4)


def box_array(corners: list[tuple[int, int, int, int]]) -> np.ndarray:
    ordered = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners]
    return np.array(ordered, np.float64).reshape(-1, 4)


def painted(answer: np.ndarray) -> np.ndarray:
    pixels = np.zeros((SIDE, SIDE), bool)
    for x1, y1, x2, y2 in answer.astype(int):
        pixels[y1:y2, x1:x2] = True
    return pixels


def test_vote_by_hand_with_the_lowest_id_winning_a_tie() -> None:
    maps = np.array([[[1, 3, 0]], [[1, 2, 0]], [[2, 2, 5]], [[1, 3, 5]]], np.uint16)
    winner, share = vote(maps, classes=6)
    assert winner.dtype == np.uint16
    assert winner.tolist() == [[1, 2, 0]]
    assert share.tolist() == [[0.75, 0.5, 0.5]]


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_vote_is_the_most_frequent_class_of_each_pixel(samples: int, seed: int) -> None:
    maps = np.random.default_rng(seed).integers(0, 4, (samples, 3, 5))
    winner, share = vote(maps, classes=4)
    counts = np.stack([(maps == one).sum(0) for one in range(4)])
    assert np.array_equal(winner, counts.argmax(0))
    assert np.allclose(share, counts.max(0) / samples)


@pytest.mark.parametrize("maps", [np.zeros((0, 2, 2), int), np.zeros((2, 2), int), np.full((1, 2, 2), 7)])
def test_vote_refuses_no_samples_and_foreign_ids(maps: np.ndarray) -> None:
    with pytest.raises(ValueError):
        vote(maps, classes=7)


def test_mask_iou_by_hand() -> None:
    masks = np.zeros((4, 8, 8), bool)
    masks[0, :4, :4] = masks[1, 1:5, 1:5] = True
    iou = pairwise_mask_iou(masks)
    assert iou[0, 1] == iou[1, 0] == pytest.approx(9 / 23)
    assert iou[0].tolist() == pytest.approx([1, 9 / 23, 0, 0])
    assert iou[2, 3] == 1  # two empty masks agree
    with pytest.raises(ValueError, match="bool"):
        pairwise_mask_iou(masks.astype(float))


@given(boxes, boxes)
def test_iou_of_answers_equals_counting_pixels(one: list, other: list) -> None:
    first, second = box_array(one), box_array(other)
    union = (painted(first) | painted(second)).sum()
    expected = (painted(first) & painted(second)).sum() / union if union else float(not one and not other)
    assert box_set_iou(first, second) == pytest.approx(expected)


def test_an_answer_without_boxes_disagrees_with_one_that_has_some() -> None:
    answers = [box_array([]), box_array([(0, 0, 4, 4)]), box_array([])]
    assert pairwise_box_iou(answers).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


def test_outlier_is_not_chosen_and_the_first_wins_a_tie() -> None:
    answers = [box_array([corners]) for corners in [(8, 8, 12, 12), (0, 0, 4, 4), (0, 0, 4, 4), (0, 0, 4, 5)]]
    assert most_agreed(pairwise_box_iou(answers)) == 1
    assert most_agreed(np.ones((1, 1))) == 0


def test_a_box_without_area_does_not_lose_for_disagreeing_with_itself() -> None:
    iou = np.array([[0.0, 0.5, 0.6], [0.5, 1.0, 0.4], [0.6, 0.4, 1.0]])
    assert most_agreed(iou) == 0
    assert iou[1, 1] == 1  # the caller's array is untouched
