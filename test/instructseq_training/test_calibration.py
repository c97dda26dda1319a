"""Fitting calibration curves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from instructseq_model.geometry import stretch
from instructseq_model.label_sets import label_set
from instructseq_model.marking import Evidence, Marking
from instructseq_model.perception import Box, Perception, Task
from instructseq_model.vocabulary import OutputKind
from instructseq_training.calibration import (
    WEIGHED,
    Judged,
    best_threshold,
    fit_absences,
    fit_curve,
    judged,
    weighed_anew,
)
from instructseq_training.evaluation.calibration import expected_calibration_error
from instructseq_training.evaluation.cases import Case

IMAGE = np.zeros((6, 6, 3), np.uint8)


def answers(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A model that is right as often as the square of what it says."""
    rng = np.random.default_rng(seed)
    said = rng.random(count)
    return said, rng.random(count) < said**2


def perception(task: Task, kind: OutputKind, **parts: object) -> Perception:
    return Perception(
        kind=kind, task=task, instruction="", size_wh=(6, 6), samples=1, kind_probabilities={}, timings={}, **parts
    )


def test_a_curve_learned_on_some_answers_holds_on_others() -> None:
    curve = fit_curve(*answers(20_000, seed=0))
    np.testing.assert_allclose(curve(np.array([0.3, 0.5, 0.8])), [0.09, 0.25, 0.64], atol=0.04)
    said, right = answers(20_000, seed=1)
    assert expected_calibration_error(said, right) > 0.14
    assert expected_calibration_error(curve(said), right) < 0.02


def test_few_answers_are_fitted_as_isotonic_regression_of_their_bins_says() -> None:
    said, right = answers(100, seed=2)
    order = np.argsort(said).reshape(5, 20)
    curve = fit_curve(said, right)
    np.testing.assert_allclose(curve.said, said[order].mean(1), atol=1e-6)
    np.testing.assert_allclose(curve.right, isotonic_regression(right[order].mean(1)).x, atol=1e-6)


def test_a_model_that_always_says_the_same_gets_its_mean() -> None:
    curve = fit_curve(np.full(60, 0.9), np.arange(60) % 3 == 0)
    assert curve.said == (0.9,)
    assert curve.right == (pytest.approx(1 / 3),)


def test_boxes_are_right_from_an_overlap_of_a_half_on() -> None:
    case = Case(image=IMAGE, instruction="", task=Task.DETECTION, boxes=np.array([[0.0, 0.0, 4.0, 4.0]]))
    boxes = (Box(x1=0, y1=0, x2=4, y2=3, score=0.7), Box(x1=3, y1=3, x2=6, y2=6, score=0.2))
    [(of, said, right)] = judged(case, perception(Task.DETECTION, OutputKind.BOXES, boxes=boxes)).pairs
    assert (of, np.asarray(said).tolist(), np.asarray(right).tolist()) == ("detection", [0.7, 0.2], [True, False])
    nothing = Case(image=IMAGE, instruction="", task=Task.DETECTION, boxes=np.zeros((0, 4)))
    found = judged(nothing, perception(Task.DETECTION, OutputKind.BOXES, boxes=boxes, absence=0.3))
    assert not np.any(found.pairs[0][2])
    assert (found.means_nothing, found.worth, found.absence) == (True, 0.0, 0.3)
    assert judged(nothing, perception(Task.DETECTION, OutputKind.BOXES)).worth == 1.0


def test_masks_are_judged_by_pixel_and_as_a_whole() -> None:
    true = np.zeros((6, 6), bool)
    true[:, :4] = True
    given = np.zeros((6, 6), np.uint8)
    given[:, 3:] = 1
    confidence = np.linspace(0, 1, 36, dtype=np.float32).reshape(6, 6)
    case = Case(image=IMAGE, instruction="", task=Task.SEGMENTATION, mask=true)
    pixels, whole = judged(
        case,
        perception(Task.SEGMENTATION, OutputKind.MAP, mask=given, confidence=confidence, score=0.6),
    ).pairs
    assert pixels[0] == "segmentation"
    np.testing.assert_array_equal(np.array(pixels[1]), confidence[::3, ::3].ravel())
    assert np.asarray(pixels[2]).tolist() == [False, True] * 2  # column 0 is missed, column 3 is right
    assert whole == ("segmentation_score", [0.6], [False])  # 6 of 36 pixels in common


def test_a_mask_that_is_weighed_anew_is_judged_by_what_it_then_marks() -> None:
    true = np.zeros((6, 6), bool)
    true[:, :4] = True
    pointed = np.full((6, 6), -2.0, np.float32)
    pointed[:, :3] = 2.0
    evidence = Evidence(painted=np.full((2, 2), 0.5, np.float32), pointed=pointed, placement=stretch((6, 6), 6))
    case = Case(image=IMAGE, instruction="", task=Task.SEGMENTATION, mask=true)
    before = judged(
        case, perception(Task.SEGMENTATION, OutputKind.MAP, mask=np.zeros((6, 6), np.uint8), evidence=evidence)
    )
    after = weighed_anew(before, Marking(painted=1.0, pointed=1.0, bias=0.0, threshold=0.5))
    assert (before.worth, after.worth) == (0.0, pytest.approx(0.75))
    pixels, whole = after.pairs
    sure = 1 / (1 + np.exp(-2))
    assert pixels[0] == WEIGHED
    np.testing.assert_allclose(pixels[1], np.full(4, sure), rtol=1e-5)
    assert np.asarray(pixels[2]).tolist() == [True, False] * 2  # column 0 is right, column 3 is missed
    assert whole == ("segmentation_score", [pytest.approx(18 * sure / (18 + 18 * (1 - sure)))], [True])
    boxes = Judged(task=Task.DETECTION, pairs=())
    assert weighed_anew(boxes, Marking(painted=1.0, pointed=1.0, bias=0.0, threshold=0.5)) is boxes


def test_unlabelled_pixels_of_class_maps_do_not_count() -> None:
    household = label_set("household")
    classes = np.full((6, 6), household.unlabelled, np.uint8)
    classes[:, 3:] = 2
    mask = np.full((6, 6), 2, np.uint8)
    case = Case(image=IMAGE, instruction="", task=Task.SEMANTIC, classes=classes)
    seen = perception(
        Task.SEMANTIC,
        OutputKind.MAP,
        mask=mask,
        label_set=household,
        confidence=np.full((6, 6), 0.5, np.float32),
    )
    [(of, said, right)] = judged(case, seen).pairs
    assert (of, np.asarray(said).tolist(), np.asarray(right).tolist()) == ("semantic", [0.5, 0.5], [True, True])


def test_the_threshold_lies_where_silence_is_worth_most() -> None:
    said = np.array([0.9, 0.8, 0.6, 0.5, 0.1])
    nothing = np.array([True, True, False, True, False])
    worth = np.array([0.0, 0.0, 0.4, 0.0, 0.7])
    # Silence from 0.8 on gains 2, from 0.6 on 1.6, from 0.5 on 2.6, everywhere 1.9.
    assert best_threshold(said, worth, nothing) == pytest.approx(0.3)
    assert best_threshold(said, np.where(nothing, 1.0, worth), nothing) is None  # it says so already
    assert best_threshold(np.full(5, 0.5), worth, nothing) == pytest.approx(0.25)  # all of them or none


def test_masks_and_boxes_have_thresholds_of_their_own_where_enough_mean_nothing() -> None:
    rng = np.random.default_rng(3)

    def some(task: Task, share: float) -> list[Judged]:
        nothing = rng.random(200) < share
        said = np.where(nothing, 0.6, 0.2) + 0.1 * rng.random(200)
        return [
            Judged(task=task, pairs=(), absence=float(p), worth=0.0 if n else 0.5, means_nothing=bool(n))
            for p, n in zip(said, nothing, strict=True)
        ]

    found = fit_absences(some(Task.SEGMENTATION, 0.2) + some(Task.DETECTION, 0.0))
    assert list(found) == ["segmentation"]
    assert 0.3 < found["segmentation"].threshold < 0.6
    low, high = found["segmentation"].curve(np.array([0.25, 0.65]))
    assert low < 0.1
    assert high > 0.9
