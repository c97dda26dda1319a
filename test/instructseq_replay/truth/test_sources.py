"""Every source of truth finds the same square, and says so where it does not fit."""

import json
import os

import numpy as np
import pytest

from instructseq_replay.bags.bag import open_bag
from instructseq_replay.bags.types import message_types
from instructseq_replay.frames import decode_message, frames_of, header_of
from instructseq_replay.instructions import Asked
from instructseq_replay.truth.messages import TruthMessages
from instructseq_replay.truth.table import AllTruth, check_meanings, truth_source
from instructseq_replay.truth.truth import FrameFacts, Truth, TruthError

from ..conftest import SIDE, mask_of, stamp_of

pytestmark = pytest.mark.skipif(not os.environ.get("AMENT_PREFIX_PATH"), reason="no ROS 2 environment in this shell")

ASKED = Asked(id="a", say="b")


def truths(bag, source, asked=ASKED, size_wh=(64, 48)) -> list[Truth | None]:
    """The truth of each frame of /camera/image."""
    types = message_types("vision_msgs")
    messages = iter(open_bag(bag).messages(source.topics)) if source.topics else iter(())
    walk = TruthMessages(messages, types=types, damage=set())
    found = []
    for frame in frames_of(open_bag(bag), ["/camera/image"]):
        header = header_of(decode_message(frame.message, types))
        facts = FrameFacts(key=frame.key, header=header, size_wh=size_wh, messages=walk.of(frame.key, header))
        found.append(source.truth_of(facts, asked))
    return found


def box_of(number):
    rows, columns = np.nonzero(mask_of(number))
    return [[columns.min(), rows.min(), columns.min() + SIDE, rows.min() + SIDE]]


def coco_file(tmp_path, *, segmentation="polygon", seconds=False):
    images, annotations = [], []
    for number in range(4):
        x1, y1, x2, y2 = (int(value) for value in box_of(number)[0])
        stamp = stamp_of(number)
        name = f"frames/{stamp // 10**9}.{stamp % 10**9:09d}.png" if seconds else f"frames/{stamp}.png"
        images.append({"id": number, "file_name": name, "width": 64, "height": 48})
        outline = [[x1, y1, x2, y1, x2, y2, x1, y2]]
        if segmentation == "runs":
            flat = mask_of(number).T.reshape(-1)  # COCO counts down the columns
            edges = np.flatnonzero(np.diff(np.concatenate([[0], flat.astype(int)])))
            counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
            outline = {"size": [48, 64], "counts": counts}
        common = {"image_id": number, "segmentation": outline, "iscrowd": 0}
        annotations.append({"id": number, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1], **common})
    categories = [{"id": 1, "name": "square"}, {"id": 2, "name": "circle"}]
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


@pytest.mark.parametrize("source", ["masks:/truth/mask", "scene:/truth"])
def test_masks_are_those_that_were_recorded(make_bag, source):
    for number, truth in enumerate(truths(make_bag(truth=True), truth_source(source))):
        np.testing.assert_array_equal(truth.mask, mask_of(number))
        np.testing.assert_array_equal(truth.boxes, box_of(number))


@pytest.mark.parametrize("form", ["polygon", "runs"])
@pytest.mark.parametrize("seconds", [True, False])
def test_coco_outlines_belong_to_the_frames_of_their_stamps(make_bag, tmp_path, form, seconds):
    pytest.importorskip("pycocotools")
    source = truth_source(f"coco:{coco_file(tmp_path, segmentation=form, seconds=seconds)}")
    for number, truth in enumerate(truths(make_bag(), source)):
        np.testing.assert_array_equal(truth.mask, mask_of(number))
        np.testing.assert_array_equal(truth.boxes, box_of(number))
        assert truth.names == ("square",)


def test_boxes_are_those_that_were_recorded(make_bag):
    for number, truth in enumerate(truths(make_bag(truth=True), truth_source("boxes:/truth/boxes"))):
        np.testing.assert_array_equal(truth.boxes, box_of(number))
        assert truth.mask is None


@pytest.mark.parametrize(
    ("source", "targets", "found"),
    [
        ("scene:/truth", ("square",), 1),
        ("scene:/truth", ("white square",), 1),
        ("scene:/truth", (2,), 1),
        ("scene:/truth", ("red square",), 0),
        ("scene:/truth", (1,), 0),
        ("masks:/truth/mask", (255,), 1),
        ("masks:/truth/mask", (7,), 0),
        ("boxes:/truth/boxes", ("square",), 1),
        ("boxes:/truth/boxes", ("circle",), 0),
    ],
)
def test_targets_choose_what_is_meant(make_bag, source, targets, found):
    asked = Asked(id="a", say="b", targets=targets)
    for truth in truths(make_bag(truth=True), truth_source(source), asked):
        assert len(truth.boxes) == found
        if truth.mask is not None:
            assert truth.mask.any() == bool(found)


def test_truth_that_was_recorded_late_is_found_by_its_stamp(recorder, tmp_path):
    with recorder(tmp_path / "bag") as writer:
        for number in range(6):
            writer.raw(number)
            writer.mask(number, late_ns=350_000_000)
    for number, truth in enumerate(truths(tmp_path / "bag", truth_source("masks:/truth/mask"))):
        np.testing.assert_array_equal(truth.mask, mask_of(number))


def test_frames_without_truth_are_not_scored(recorder, tmp_path):
    with recorder(tmp_path / "bag") as writer:
        for number in range(4):
            writer.raw(number)
            if number % 2:
                writer.mask(number)
    found = truths(tmp_path / "bag", truth_source("masks:/truth/mask"))
    assert [truth is not None for truth in found] == [False, True, False, True]


def test_several_sources_fill_in_for_one_another(make_bag):
    both = AllTruth([truth_source("boxes:/truth/boxes"), truth_source("masks:/truth/mask")])
    assert {"boxes", "mask"} <= both.gives
    truth = truths(make_bag(truth=True), both)[0]
    assert truth.mask is not None
    assert truth.names == ("square",)


def test_what_does_not_fit_says_why(make_bag, tmp_path):
    bag = make_bag(truth=True)
    with pytest.raises(TruthError, match="names no truth: give one of masks:"):
        truth_source("/truth/mask")
    with pytest.raises(TruthError, match="there is no file"):
        truth_source("coco:nothing.json")
    (tmp_path / "bad.json").write_text('{"images": [{"file_name": "a.png"}], "categories": [], "annotations": []}')
    with pytest.raises(TruthError, match="is not a COCO file"):
        truth_source(f"coco:{tmp_path / 'bad.json'}")
    with pytest.raises(TruthError, match="masks have no names: give pixel values"):
        truths(bag, truth_source("masks:/truth/mask"), Asked(id="a", say="b", targets=("mug",)))
    with pytest.raises(TruthError, match="64x48 pixels and the frame 32x24"):
        truths(bag, truth_source("masks:/truth/mask"), size_wh=(32, 24))


def test_an_instruction_without_a_meaning_cannot_be_scored():
    from instructseq_replay.instructions import Instructions

    with pytest.raises(TruthError, match="'a' does not say what is meant"):
        check_meanings(Instructions(instructions=(ASKED,)))
