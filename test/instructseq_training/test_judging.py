"""Judging answers."""

from __future__ import annotations

import numpy as np
import pytest

from instructseq_model.classing import ClassEvidence, Classing
from instructseq_model.geometry import stretch
from instructseq_model.label_sets import label_set
from instructseq_model.marking import Evidence, Marking
from instructseq_model.outlining import BoxEvidence, Outlining
from instructseq_model.perception import Box, Perception, Task
from instructseq_model.vocabulary import OutputKind
from instructseq_training.evaluation.cases import Case
from instructseq_training.judging import WEIGHED, Judged, classed_anew, judged, outlined_anew, weighed_anew

IMAGE = np.zeros((6, 6, 3), np.uint8)


def perception(task: Task, kind: OutputKind, **parts: object) -> Perception:
    return Perception(
        kind=kind, task=task, instruction="", size_wh=(6, 6), samples=1, kind_probabilities={}, timings={}, **parts
    )


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


def test_boxes_that_are_outlined_anew_are_judged_where_they_then_lie() -> None:
    pointed = np.full((6, 6), -9.0, np.float32)
    pointed[1:5, 1:5] = 9.0
    evidence = BoxEvidence(
        answers=(np.array([[2.0, 2.0, 3.0, 3.0]]) / 6,),
        said=(np.array([0.7]),),
        pointed=pointed,
        placement=stretch((6, 6), 6),
    )
    case = Case(image=IMAGE, instruction="", task=Task.DETECTION, boxes=np.array([[1.0, 1.0, 5.0, 5.0]]))
    before = judged(
        case,
        perception(
            Task.DETECTION, OutputKind.BOXES, boxes=(Box(x1=2, y1=2, x2=3, y2=3, score=0.7),), evidence=evidence
        ),
    )
    after = outlined_anew(before, Outlining(threshold=0.0))
    assert (before.worth, after.worth) == (0.0, 1.0)
    [(of, said, right)] = after.pairs
    assert (of, np.asarray(said).tolist(), np.asarray(right).tolist()) == ("detection", [0.7], [True])
    mask = Judged(task=Task.SEGMENTATION, pairs=())
    assert outlined_anew(mask, Outlining(threshold=0.0)) is mask


def test_classes_that_are_read_anew_are_judged_by_the_new_ids() -> None:
    household = label_set("household")
    logits = np.zeros((6, 6, 40), np.float32)
    logits[:, :3, 5] = logits[:, 3:, 7] = 20.0
    evidence = ClassEvidence(painted=np.full((1, 6, 6), 5, np.uint8), logits=logits, placement=stretch((6, 6), 6))
    classes = np.full((6, 6), 7, np.uint8)
    case = Case(image=IMAGE, instruction="", task=Task.SEMANTIC, classes=classes)
    before = judged(
        case,
        perception(
            Task.SEMANTIC,
            OutputKind.MAP,
            mask=evidence.painted[0],
            label_set=household,
            confidence=np.ones((6, 6), np.float32),
            evidence=evidence,
        ),
    )
    assert not np.any(before.pairs[0][2])
    [(of, said, right)] = classed_anew(before, Classing(bonus=1.0)).pairs
    assert (of, np.asarray(right).tolist()) == ("semantic", [False, True] * 2)
    np.testing.assert_allclose(said, 1.0, atol=1e-5)
