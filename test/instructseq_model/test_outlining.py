"""Boxes drawn to the edges of regions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from instructseq_model.errors import CheckpointError
from instructseq_model.geometry import stretch
from instructseq_model.outlining import FINENESS, BoxEvidence, Outlining

SIDE = 16
STEP = FINENESS // SIDE


def pointed(*regions: tuple[int, int, int, int, float]) -> NDArray[np.float32]:
    """Logits of -9 with regions (x1, y1, x2, y2, logit) in them."""
    found = np.full((SIDE, SIDE), -9.0, np.float32)
    for x1, y1, x2, y2, logit in regions:
        found[y1:y2, x1:x2] = logit
    return found


def outlined(heat: NDArray[np.float32], *boxes: tuple[float, ...], threshold: float = 0.0) -> NDArray[np.float64]:
    """In the grounding's places."""
    evidence = BoxEvidence(
        answers=(np.array(boxes, np.float64).reshape(-1, 4) / SIDE,),
        said=(np.ones(len(boxes)),),
        pointed=heat,
        placement=stretch((100, 50), SIDE),
    )
    return Outlining(threshold=threshold).boxes(evidence)[0] * SIDE


def test_each_box_becomes_that_around_the_region_of_its_strongest_point() -> None:
    heat = pointed((2, 3, 6, 9, 9.0), (9, 10, 14, 12, 9.0))
    found = outlined(heat, (3, 4, 5, 6), (8, 8, 16, 12))
    np.testing.assert_allclose(found, [[2, 3, 6, 9], [9, 10, 14, 12]], atol=1.01 / STEP)


def test_edges_lie_where_the_logits_cross_the_threshold() -> None:
    heat = pointed((4, 4, 8, 8, 9.0))
    # Between the centres of places 3 and 4 the logits rise from -9 to 9.
    for threshold, moved in ((0.0, 0.0), (-6.0, 1 / 3), (6.0, -1 / 3)):
        [found] = outlined(heat, (5, 5, 7, 7), threshold=threshold)
        np.testing.assert_allclose(found, [4 - moved, 4 - moved, 8 + moved, 8 + moved], atol=1.01 / STEP)


def test_regions_touch_over_corners_and_those_elsewhere_do_not_count() -> None:
    heat = pointed((2, 2, 4, 4, 9.0), (4, 4, 6, 6, 9.0), (12, 12, 14, 14, 20.0))
    [found] = outlined(heat, (2, 2, 3, 3), threshold=-1.0)
    np.testing.assert_allclose(found, [2, 2, 6, 6], atol=1.01 / STEP)


def test_a_weak_region_reaches_one_below_its_strongest_point() -> None:
    heat = pointed((4, 4, 8, 8, -3.0), (5, 5, 7, 7, -2.5))
    [found] = outlined(heat, (4, 4, 8, 8), threshold=0.0)
    rim = 0.5 - 0.5 / 6  # -3.5, a twelfth of the way from the centre of the outermost place to the next
    np.testing.assert_allclose(found, [4 + rim, 4 + rim, 8 - rim, 8 - rim], atol=1.01 / STEP)


@pytest.mark.parametrize("box", [(0, 0, 0, 0), (16, 16, 16, 16), (0, 0, 16, 16)])
def test_boxes_at_the_rim_and_without_area_are_outlined_too(box: tuple[float, ...]) -> None:
    [found] = outlined(pointed((0, 0, 2, 2, 9.0), (14, 14, 16, 16, 8.0)), box)
    assert found.tolist() == ([14.0, 14.0, 16.0, 16.0] if box[0] == 16 else [0.0, 0.0, 2.0, 2.0])


def test_samples_that_mean_the_same_region_outvote_one_that_means_another() -> None:
    heat = pointed((2, 2, 6, 6, 9.0), (9, 9, 14, 14, 9.0))
    boxes = [(9, 9, 14, 14), (2, 2, 3, 3), (5, 5, 6, 6)]  # the last two have nothing in common as decoded
    evidence = BoxEvidence(
        answers=tuple(np.array([box], np.float64) / SIDE for box in boxes),
        said=tuple(np.array([said]) for said in (0.9, 0.5, 0.4)),
        pointed=heat,
        placement=stretch((100, 50), SIDE),
    )
    found, said = Outlining(threshold=0.0).boxes(evidence)
    np.testing.assert_allclose(found * SIDE, [[2, 2, 6, 6]], atol=1.01 / STEP)
    assert said.tolist() == [0.5]


def test_no_boxes_stay_none() -> None:
    assert outlined(pointed((2, 2, 4, 4, 9.0))).shape == (0, 4)


@pytest.mark.parametrize("threshold", [math.nan, math.inf, -101.0])
def test_what_is_no_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(CheckpointError, match="no threshold of logits"):
        Outlining(threshold=threshold)
