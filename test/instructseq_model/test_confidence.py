import numpy as np
import pytest

from instructseq_model.confidence import box_confidence, confidence_grid, sequence_score


def test_grid_is_row_major_and_the_mean_of_the_samples() -> None:
    grid = confidence_grid(np.array([[0.1, 0.2, 0.3, 0.4], [0.3, 0.4, 0.5, 0.8]]))
    assert grid.dtype == np.float32
    assert grid == pytest.approx(np.array([[0.2, 0.3], [0.4, 0.6]]))


def test_tokens_that_fill_no_square_are_refused() -> None:
    with pytest.raises(ValueError, match="8 tokens"):
        confidence_grid(np.ones((1, 8)))


def test_score_is_the_geometric_mean() -> None:
    assert sequence_score(np.array([[0.5, 0.5], [0.125, 0.5]])) == pytest.approx((0.5**3 * 0.125) ** 0.25)
    assert sequence_score(np.array([0.0, 1.0])) == pytest.approx(1e-6)
    assert sequence_score(np.zeros((1, 0))) == 1


def test_boxes_paint_their_score_and_the_higher_one_wins() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3.5, 2], [2, 2, 2, 2]])
    confidence = box_confidence(boxes, np.array([0.5, 0.25, 0.9]), (5, 3))
    assert confidence.tolist() == [[0.5, 0.5, 0, 0, 0], [0.5, 0.5, 0.25, 0.25, 0], [0] * 5]
    assert box_confidence(np.zeros((0, 4)), np.zeros(0), (4, 2)).tolist() == np.zeros((2, 4)).tolist()
