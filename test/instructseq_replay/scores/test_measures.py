"""Summed rows give the scores that the training's evaluation computes from all pairs at once."""

import numpy as np
import pytest

from instructseq_model.label_sets import label_set
from instructseq_model.perception import Box, Perception, Task
from instructseq_model.vocabulary import OutputKind
from instructseq_replay.frames import FrameKey
from instructseq_replay.instructions import Asked
from instructseq_replay.scores.blocks import BlockSums, block_of
from instructseq_replay.scores.measures import BoxMeasure, CaptionMeasure, ClassMeasure, MaskMeasure, measure_for
from instructseq_replay.truth.truth import Truth
from instructseq_training.evaluation.boxes import exact_set_accuracy
from instructseq_training.evaluation.masks import confusion_matrix, mean_iou, pixel_accuracy, referring_scores

RNG = np.random.default_rng(0)


def perception(task, **fields) -> Perception:
    kind = {Task.DETECTION: OutputKind.BOXES, Task.CAPTION: OutputKind.TEXT}.get(task, OutputKind.MAP)
    return Perception(kind=kind, task=task, instruction="x", size_wh=(20, 16), **fields)


def scores_of(measure, pairs) -> dict[str, float]:
    rows = [measure.row(answer, truth) for answer, truth in pairs]
    return dict(zip(measure.names, measure.scores(np.sum(rows, 0)).tolist(), strict=True))


def test_masks_agree_with_referring_scores():
    masks = [(RNG.random((16, 20)) < 0.4, RNG.random((16, 20)) < share) for share in (0.4, 0.3, 0.0, 0.0)]
    masks[3] = (np.zeros((16, 20), bool), masks[3][1])
    pairs = [(perception(Task.SEGMENTATION, mask=given.astype(np.uint8)), Truth(mask=true)) for given, true in masks]
    expected = referring_scores(masks)
    found = scores_of(MaskMeasure(), pairs)
    assert found["mean_iou"] == pytest.approx(expected.mean_iou)
    assert found["overall_iou"] == pytest.approx(expected.overall_iou)
    assert found["above_half"] == pytest.approx(expected.share_above_half)
    assert found["no_target"] == expected.no_target_accuracy == 0.5


def test_no_answer_is_an_empty_mask():
    row = MaskMeasure().row(None, Truth(mask=np.ones((4, 4), bool)))
    assert MaskMeasure().scores(row)[0] == 0


def boxes_of(*corners) -> Perception:
    return perception(Task.DETECTION, boxes=tuple(Box(x1=a, y1=b, x2=c, y2=d, score=0.5) for a, b, c, d in corners))


def test_boxes_agree_with_exact_set_accuracy():
    sets = [
        ([(0, 0, 10, 10)], [(0, 0, 10, 10)]),
        ([(0, 0, 10, 10), (10, 10, 12, 12)], [(0, 0, 10, 10)]),
        ([], []),
        ([(0, 0, 5, 10)], [(0, 0, 10, 10), (12, 0, 20, 8)]),
    ]
    pairs = [(boxes_of(*given), Truth(boxes=np.array(true, float).reshape(-1, 4))) for given, true in sets]
    found = scores_of(BoxMeasure(), pairs)
    assert found["exact"] == exact_set_accuracy(sets) == 0.5
    assert found["recall"] == 3 / 4
    assert found["precision"] == 3 / 4
    assert found["mean_iou"] == pytest.approx((1 + 1 + 1 + 0.25) / 4)


def test_a_mask_is_compared_with_boxes_by_the_box_around_it():
    mask = np.zeros((16, 20), np.uint8)
    mask[2:6, 3:9] = 1
    row = BoxMeasure().row(perception(Task.SEGMENTATION, mask=mask), Truth(boxes=np.array([[3.0, 2, 9, 6]])))
    assert BoxMeasure().scores(row)[0] == 1


def test_classes_agree_with_the_confusion_matrix():
    household = label_set("household")
    maps = [(RNG.integers(0, 5, (16, 20)), RNG.integers(0, 4, (16, 20))) for _ in range(3)]
    pairs = [(perception(Task.SEMANTIC, mask=a, label_set=household), Truth(classes=b)) for a, b in maps]
    matrix = sum(confusion_matrix(a, b, classes=len(household.names)) for a, b in maps)
    found = scores_of(ClassMeasure("household"), pairs)
    assert found["mean_iou"] == pytest.approx(mean_iou(matrix))
    assert found["pixel_accuracy"] == pytest.approx(pixel_accuracy(matrix))


def test_captions_are_searched_for_the_last_word_of_each_name():
    truth = Truth(names=("coffee mug", "red shoe", "lamp"))
    caption = perception(Task.CAPTION, caption="Shoes beside a mug.")
    assert scores_of(CaptionMeasure(), [(caption, truth)]) == {"names_mentioned": 2 / 3}


@pytest.mark.parametrize(
    ("meant", "gives", "measure"),
    [
        ("segmentation", {"mask", "boxes"}, MaskMeasure),
        ("segmentation", {"boxes"}, BoxMeasure),
        ("detection", {"mask", "boxes"}, BoxMeasure),
        ("semantic", {"mask"}, type(None)),
        ("caption", {"names"}, CaptionMeasure),
        (None, {"mask"}, type(None)),
    ],
)
def test_the_measure_follows_what_is_meant_and_known(meant, gives, measure):
    assert type(measure_for(Asked(id="a", say="b", meant=meant), frozenset(gives))) is measure


def test_intervals_come_from_stretches_and_not_from_frames():
    """A hundred copies of the same frame in a stretch tell no more than one."""
    values = RNG.random(20)
    single, copied = BlockSums(), BlockSums()
    for number, value in enumerate(values):
        block = block_of("bag", FrameKey(number * 2_000_000_000, "/image", 0))
        single.add(block, np.array([1.0, value]))
        for _ in range(100):
            copied.add(block, np.array([1.0, value]))
    one, many = (sums.interval(lambda sums: sums[..., 1] / sums[..., 0]) for sums in (single, copied))
    assert one == pytest.approx(many)
    assert one[0] < values.mean() < one[1]


def test_few_stretches_give_no_interval():
    sums = BlockSums()
    for number in range(4):
        sums.add(("bag", number), np.array([1.0, 0.5]))
    assert sums.interval(lambda sums: sums[..., 1]) is None
