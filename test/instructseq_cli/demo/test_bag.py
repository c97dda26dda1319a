"""Bags written and read back; frames with truth out of a bag; the photograph."""

import os

import numpy as np
import pytest

from instructseq_cli.demo.bag import read_bag
from instructseq_cli.demo.frames import INSTANCES_TOPIC, frames_of_bag, photograph
from instructseq_cli.demo.scene_bag import write_scene_bag
from instructseq_replay.bags.damage import Message
from instructseq_replay.bags.errors import BagError
from instructseq_replay.bags.types import message_types
from instructseq_replay.bags.writing import BagWriter


def record(stamp_ns: int, data: bytes = b"\x00\x01\x00\x00\x02\x00\x00\x00a\x00") -> Message:
    return Message(topic="/words", type_name="std_msgs/msg/String", log_ns=stamp_ns, data=data)


def test_messages_read_back_in_the_order_of_their_time(tmp_path):
    records = [record(30), record(10), record(20)]
    with BagWriter(tmp_path / "bag", types=message_types(), compress=True) as writer:
        for each in records:
            writer.write(each)
    assert list(read_bag(tmp_path / "bag")) == sorted(records, key=lambda each: each.log_ns)


def test_a_new_bag_replaces_an_old_one(tmp_path):
    for stamp in (1, 2):
        with BagWriter(tmp_path / "bag", types=message_types(), compress=False) as writer:
            writer.write(record(stamp))
    assert [each.log_ns for each in read_bag(tmp_path / "bag")] == [2]


def test_a_missing_bag_and_an_unknown_package_say_what_to_do(tmp_path):
    with pytest.raises(BagError, match="there is no bag"):
        list(read_bag(tmp_path))
    with pytest.raises(BagError, match=r"env\.sh"):
        message_types("no_such_msgs")


@pytest.mark.skipif(not os.environ.get("AMENT_PREFIX_PATH"), reason="no ROS 2 environment in this shell")
def test_the_vision_messages_have_the_hash_of_a_stock_robot():
    types = message_types("vision_msgs")
    digest = types.hash_rihs01("vision_msgs/msg/Detection2DArray")
    assert digest == "RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968"


def scene(shift: int) -> tuple:
    """A frame with a mug that moves to the right, and its truth."""
    instances = np.zeros((48, 64), np.uint8)
    instances[10:20, shift : shift + 8] = 2
    classes = np.where(instances == 2, 5, 1).astype(np.uint8)
    objects = [{"index": 2, "name": "coffee mug", "colour": "red"}, {"index": 3, "name": "hidden lamp"}]
    return np.full((48, 64, 3), 90, np.uint8), instances, classes, {"objects": objects}


def test_a_scene_comes_back_with_its_truth(tmp_path):
    scenes = [scene(shift) for shift in (0, 10, 20)]
    assert write_scene_bag(tmp_path / "bag", scenes, rate_hz=10.0) == 3
    frames = frames_of_bag(tmp_path / "bag")
    assert [frame.offset_ns for frame in frames] == [0, 100_000_000, 200_000_000]
    for frame, (pixels, instances, classes, _), left in zip(frames, scenes, (0, 10, 20), strict=True):
        np.testing.assert_array_equal(frame.instances, instances)
        np.testing.assert_array_equal(frame.classes, classes)
        np.testing.assert_allclose(frame.pixels, pixels, atol=3)
        assert frame.boxes_of(("coffee mug", "hidden lamp")) == [(left, 10.0, left + 8.0, 20.0)]
        for target in ("coffee mug", "red coffee mug"):
            np.testing.assert_array_equal(frame.mask_of((target,)), instances == 2)
        assert not frame.mask_of(("blue coffee mug",)).any()


def test_the_same_scene_gives_the_same_messages(tmp_path):
    for name in ("a", "b"):
        write_scene_bag(tmp_path / name, [scene(4)])
    assert list(read_bag(tmp_path / "a")) == list(read_bag(tmp_path / "b"))


def test_a_bag_without_truth_is_refused(tmp_path):
    with BagWriter(tmp_path / "bag", types=message_types(), compress=False) as writer:
        writer.write(record(1))
    with pytest.raises(BagError, match=INSTANCES_TOPIC):
        frames_of_bag(tmp_path / "bag")


def test_the_photograph_has_eight_named_objects():
    frame = photograph()[0]
    assert frame.pixels.shape == (480, 640, 3)
    assert len(frame.names) == 8
    assert "fiskars scissors" in frame.names.values()
    assert (frame.boxes_of(("fiskars scissors",))[0][0]) == 469.0
