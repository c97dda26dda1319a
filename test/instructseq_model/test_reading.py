"""Reading given tokens."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from instructseq_model import reading
from instructseq_model.calibration import Absence, Calibration, Curve
from instructseq_model.classing import Classing
from instructseq_model.decoding.generate import Generated
from instructseq_model.geometry import Placement, letterbox, stretch
from instructseq_model.label_sets import label_set
from instructseq_model.marking import Marking
from instructseq_model.outlining import Outlining
from instructseq_model.palette import NAMED_COLOURS
from instructseq_model.perception import Task
from instructseq_model.reading import Request, read_boxes, read_referring, read_semantic
from instructseq_model.vocabulary import END, PAD, OutputKind, Vocabulary

VOCABULARY = Vocabulary(text_size=5, visual_size=9, position_size=100)
MODEL: Any = SimpleNamespace(
    sequence=None,
    config=SimpleNamespace(sequence=SimpleNamespace(vocabulary=VOCABULARY)),
    vqvae=None,
    marked_codes=None,
    calibration=Calibration(),
)
FIRST = VOCABULARY.position_range.start


def request(task: Task, placement: Placement, samples: int) -> Request:
    return Request(
        instruction="find it",
        kind=OutputKind.BOXES if task is Task.DETECTION else OutputKind.MAP,
        task=task,
        placement=placement,
        samples=samples,
        temperature=0.0,
        seed=0,
        kind_probabilities={},
    )


def answers(rows: list[list[int]], probabilities: list[list[float]]) -> Generated:
    longest = max(map(len, rows))
    return Generated(
        tokens=torch.tensor([row + [PAD] * (longest - len(row)) for row in rows]),
        probabilities=torch.tensor([row + [1.0] * (longest - len(row)) for row in probabilities]),
        lengths=torch.tensor([sum(token not in (END, PAD) for token in row) for row in rows]),
    )


def bins(*numbers: int) -> list[int]:
    return [FIRST + number for number in numbers] + [END]


def test_boxes_of_the_agreeing_answer_in_source_pixels_best_first() -> None:
    near = bins(10, 40, 29, 59, 50, 40, 69, 59)
    made = answers(
        [bins(80, 40, 99, 59), near, bins(10, 40, 29, 59, 50, 40, 69, 58)],
        [[0.9] * 5, [0.5, 0.5, 0.5, 0.5, 0.8, 0.8, 0.8, 0.4, 1.0], [0.1] * 9],
    )
    found = read_boxes(MODEL, made, request(Task.DETECTION, letterbox((200, 100), 100), 3), {})
    assert [box.score for box in found.boxes] == pytest.approx([0.7, 0.5])
    # The square holds the 200 x 100 image at half size between y = 25 and 75.
    assert found.boxes[0].xyxy == pytest.approx((101, 31, 139, 69))
    assert found.boxes[1].xyxy == pytest.approx((21, 31, 59, 69))
    assert found.score == pytest.approx(0.6)
    assert found.confidence is not None
    assert found.confidence[50, [10, 40, 80, 120]].tolist() == pytest.approx([0, 0.5, 0, 0.7])


def test_where_the_checkpoint_says_how_boxes_are_outlined() -> None:
    pointed = np.full((10, 10), -9.0, np.float32)
    pointed[4:6, 1:3] = 9.0
    made = answers([bins(0, 30, 19, 69)], [[0.5, 0.5, 0.5, 0.5, 1.0]])
    asked = replace(request(Task.DETECTION, stretch((200, 100), 100), 1), pointed=pointed)
    outlining = {"single": Outlining(threshold=0.0)}
    model: Any = SimpleNamespace(**MODEL.__dict__ | {"calibration": Calibration(outlining=outlining)})
    [box] = read_boxes(model, made, asked, {}).boxes
    np.testing.assert_allclose(box.xyxy, (20, 40, 60, 60), atol=2)
    assert box.score == pytest.approx(0.5)
    [as_decoded] = read_boxes(MODEL, made, asked, {}).boxes
    assert as_decoded.xyxy == pytest.approx((1, 30.5, 39, 69.5))
    found = read_boxes(model, made, replace(asked, pointed=None), {})
    assert found.boxes == (as_decoded,)
    assert found.evidence is None


def test_no_box_scores_what_the_immediate_end_scored() -> None:
    made = answers([[END], [END], bins(1, 2, 30, 40)], [[0.75], [0.7], [0.9] * 5])
    asked = replace(request(Task.DETECTION, stretch((20, 10), 100), 3), absence=0.75)
    found = read_boxes(MODEL, made, asked, {})
    assert (found.boxes, found.score, found.absence) == ((), 0.75, 0.75)
    assert found.confidence is not None
    assert found.confidence.max() == 0


def maps(monkeypatch: pytest.MonkeyPatch, painted: np.ndarray, probabilities: list[list[float]]) -> Generated:
    """Tokens that are read as the painted maps."""
    monkeypatch.setattr(reading, "decode_maps", lambda *_: painted)
    return answers([[VOCABULARY.visual_range.start] * 4] * len(painted), probabilities)


def knows_nothing(task: Task, threshold: float) -> SimpleNamespace:
    """The model, calibrated to say that nothing is there from a threshold on; it is right in half as many cases."""
    absence = Absence(threshold=threshold, curve=Curve(said=(0.0, 1.0), right=(0.0, 0.5)))
    return SimpleNamespace(**MODEL.__dict__ | {"calibration": Calibration(absence={task.value: absence})})


def test_boxes_are_left_out_where_it_is_sure_enough_that_nothing_is_meant() -> None:
    made = answers([bins(1, 2, 30, 40)], [[0.9] * 5])
    asked = replace(request(Task.DETECTION, stretch((20, 10), 100), 1), absence=0.4)
    found = read_boxes(knows_nothing(Task.DETECTION, 0.4), made, asked, {})
    assert (found.boxes, found.score, found.absence) == ((), 0.2, 0.2)
    assert found.confidence is not None
    assert found.confidence.max() == 0
    kept = read_boxes(knows_nothing(Task.DETECTION, 0.41), made, asked, {})
    assert [box.score for box in kept.boxes] == pytest.approx([0.9])
    assert kept.absence == 0.2


def test_a_mask_is_empty_where_it_is_sure_enough_that_nothing_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    painted = np.zeros((1, 8, 8, 3), np.uint8)
    painted[0, :, :4] = NAMED_COLOURS["red"]
    made = maps(monkeypatch, painted, [[0.7] * 4])
    asked = replace(request(Task.SEGMENTATION, stretch((8, 8), 8), 1), absence=0.4)
    found = read_referring(knows_nothing(Task.SEGMENTATION, 0.4), made, asked, {})
    assert found.mask is not None
    assert found.colour_map is not None
    assert found.confidence is not None
    assert (found.mask.max(), found.colour_map.max(), found.boxes) == (0, 0, ())
    assert found.score == found.absence == pytest.approx(0.2)
    # Not meant is a pixel where nothing is (0.2), or where something is and it was wrongly or rightly painted.
    assert found.confidence[4, [1, 6]].tolist() == pytest.approx([0.2 + 0.8 * 0.3, 0.2 + 0.8 * 0.7])
    kept = read_referring(knows_nothing(Task.SEGMENTATION, 0.41), made, asked, {})
    assert kept.mask is not None
    assert kept.mask[4, [1, 6]].tolist() == [1, 0]


def test_semantic_samples_vote_and_their_share_is_the_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    household = label_set("household")
    ids = np.array([[[0, 1], [2, household.unlabelled]], [[0, 1], [3, 4]], [[5, 1], [3, 4]]])
    made = maps(monkeypatch, household.all_colours[ids], [[0.2] * 4, [0.4] * 4, [0.6] * 4])
    found = read_semantic(MODEL, made, request(Task.SEMANTIC, stretch((4, 4), 8), 3), household, {})
    assert found.mask is not None
    assert found.agreement is not None
    assert found.confidence is not None
    assert found.mask[::2, ::2].tolist() == [[0, 1], [3, 4]]
    assert found.mask.shape == (4, 4)
    assert found.agreement[::2, ::2] == pytest.approx(np.array([[2, 3], [2, 2]]) / 3)
    assert found.confidence == pytest.approx(np.full((4, 4), 0.4))


def test_where_the_checkpoint_says_how_the_groundings_classes_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    household = label_set("household")
    ids = np.full((2, 4, 4), 3)
    made = maps(monkeypatch, household.all_colours[ids], [[0.2] * 4, [0.4] * 4])
    logits = np.zeros((4, 4, 40), np.float32)
    logits[:, :2, 7] = 3.0
    asked = replace(request(Task.SEMANTIC, stretch((8, 4), 8), 2), classes=logits)
    classing = {"several": Classing(bonus=2.0)}
    curve = {"semantic": Curve(said=(0.0, 1.0), right=(0.0, 0.5))}
    calibration = Calibration(several=curve, classing=classing)
    model: Any = SimpleNamespace(**MODEL.__dict__ | {"calibration": calibration})
    found = read_semantic(model, made, asked, household, {})
    assert found.mask is not None
    assert found.agreement is not None
    assert found.confidence is not None
    assert found.mask[0].tolist() == [7] * 4 + [3] * 4
    assert found.agreement[0].tolist() == [0] * 4 + [1] * 4
    e = np.exp(1.0)
    assert found.confidence[0, 0] == pytest.approx(0.5 * e**3 / (e**3 + e**2 + 38))
    without = read_semantic(model, made, replace(asked, classes=None), household, {})
    assert without.mask is not None
    assert set(without.mask.ravel().tolist()) == {3}
    assert without.evidence is None


def test_referring_takes_the_sample_that_agrees_and_its_confidence(monkeypatch: pytest.MonkeyPatch) -> None:
    painted = np.zeros((3, 8, 8, 3), np.uint8)
    painted[0, :2, :2] = NAMED_COLOURS["red"]
    painted[1, 4:, 4:] = painted[2, 4:, 4:] = NAMED_COLOURS["green"]
    made = maps(monkeypatch, painted, [[0.9] * 4, [0.25] * 4, [0.3] * 4])
    found = read_referring(MODEL, made, request(Task.SEGMENTATION, stretch((16, 8), 8), 3), {})
    assert found.mask is not None
    assert found.agreement is not None
    assert found.mask[[1, 1, 6], [1, 12, 12]].tolist() == [0, 0, 1]
    assert found.score == pytest.approx(0.25)
    (box,) = found.boxes
    assert box.x1 == pytest.approx(8, abs=1)
    assert (box.y1, box.x2, box.y2) == (pytest.approx(4, abs=1), 16, 8)
    assert found.agreement[0, 0] == pytest.approx(2 / 3)
    assert found.agreement[7, 15] == pytest.approx(2 / 3)
    assert found.agreement[3, 15] == 1


def test_confidence_and_scores_go_through_the_calibration_of_their_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    half = Curve(said=(0.0, 1.0), right=(0.0, 0.5))
    tenth = Curve(said=(0.0, 1.0), right=(0.0, 0.1))
    calibration = Calibration(
        single={"segmentation": half, "segmentation_score": tenth, "detection": tenth}, several={"semantic": half}
    )
    model: Any = SimpleNamespace(**{**vars(MODEL), "calibration": calibration})
    painted = np.zeros((1, 8, 8, 3), np.uint8)
    painted[0, 4:, 4:] = NAMED_COLOURS["green"]
    made = maps(monkeypatch, painted, [[0.4] * 4])
    mask = read_referring(model, made, request(Task.SEGMENTATION, stretch((8, 8), 8), 1), {})
    assert mask.confidence == pytest.approx(np.full((8, 8), 0.2))
    assert (mask.score, mask.boxes[0].score) == (pytest.approx(0.04), pytest.approx(0.04))
    made = answers([bins(10, 40, 29, 59)], [[0.5] * 5])
    boxes = read_boxes(model, made, request(Task.DETECTION, stretch((100, 100), 100), 1), {})
    assert (boxes.score, boxes.boxes[0].score) == (pytest.approx(0.05), pytest.approx(0.05))


def test_where_the_checkpoint_says_how_masks_are_weighed_with_the_pointing(monkeypatch: pytest.MonkeyPatch) -> None:
    painted = np.zeros((2, 8, 8, 3), np.uint8)
    painted[:, :, :4] = NAMED_COLOURS["red"]
    made = maps(monkeypatch, painted, [[0.9, 0.9, 0.8, 0.8], [0.7, 0.7, 0.8, 0.8]])
    made = replace(made, tokens=made.tokens + torch.tensor([1, 0, 1, 0]))  # the left half is painted with code 1
    pointed = np.full((8, 8), -20.0, np.float32)
    pointed[:, 2:6] = 20.0
    asked = replace(request(Task.SEGMENTATION, stretch((8, 8), 8), 2), pointed=pointed)
    marking = {"several": Marking(painted=0.0, pointed=1.0, bias=0.0, threshold=0.5)}
    score = {"segmentation_score": Curve(said=(0.0, 1.0), right=(0.0, 0.5))}
    changed = {
        "calibration": Calibration(several=score, marking=marking),
        "marked_codes": torch.arange(9) == 1,
    }
    model: Any = SimpleNamespace(**MODEL.__dict__ | changed)
    found = read_referring(model, made, asked, {})
    assert found.mask is not None
    assert found.colour_map is not None
    assert found.agreement is not None
    assert found.evidence is not None
    np.testing.assert_array_equal(found.mask[0], [0, 0, 1, 1, 1, 1, 0, 0])
    assert found.colour_map[0, [1, 3, 5]].tolist() == [[0, 0, 0], [*NAMED_COLOURS["red"]], [*NAMED_COLOURS["red"]]]
    np.testing.assert_array_equal(found.agreement[0], [0, 0, 1, 1, 0, 0, 1, 1])
    assert found.score == pytest.approx(0.5)
    np.testing.assert_allclose(found.evidence.painted, [[0.8, 0.2], [0.8, 0.2]], atol=1e-6)
    alone = replace(model.calibration, marking={"single": marking["several"]})
    one = read_referring(SimpleNamespace(**model.__dict__ | {"calibration": alone}), made, asked, {})  # type: ignore[arg-type]
    assert one.mask is not None
    np.testing.assert_array_equal(one.mask[0], [1, 1, 1, 1, 0, 0, 0, 0])  # not said how for several: as painted
