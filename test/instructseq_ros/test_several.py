"""Several cameras and standing instructions over DDS: who answers what, where, in which order, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

from builtin_interfaces.msg import Duration
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from instructseq.msg import Perception

from .observing import eventually, pixels, red, scene, status

MakeRobot = Callable[..., Any]


def wait_for_topic(robot: Any, topic: str) -> None:
    assert eventually(lambda: robot.tester.count_publishers(topic) == 1)


def test_one_look_at_a_frame_answers_all_instructions_each_on_its_own_topics(
    make_robot: MakeRobot, perceiver: Any
) -> None:
    robot = make_robot(cameras=["left", "right"])
    robot.listen(Perception, "/instructseq/perception")
    robot.stand("mug", "mark the mug", cameras=["left"], samples=3)
    robot.stand("cup", "find the cup")
    robot.say("describe it")
    for topic in ("left/mug/mask", "left/cup/mask", "right/cup/mask", "left/mask"):
        wait_for_topic(robot, f"/instructseq/{topic}")
    masks = robot.listen(Image, "/instructseq/left/mug/mask")
    boxes = robot.listen(Detection2DArray, "/instructseq/right/cup/detections")
    assert eventually(lambda: robot.node.count_subscribers("/instructseq/perception"))
    left, right = robot.show(scene(), stamp=3, camera="left"), robot.show(scene(shift=4), stamp=4, camera="right")
    answers = robot.received["/instructseq/perception"]
    assert eventually(lambda: len(answers) == 5)
    assert eventually(lambda: masks and boxes)
    assert sorted((sorted(batch) for batch in perceiver.batches), key=len) == [
        ["describe it", "find the cup"],
        ["describe it", "find the cup", "mark the mug"],
    ]
    assert {(one.camera, one.standing_id) for one in answers} == {
        ("left", "mug"),
        ("left", "cup"),
        ("left", ""),
        ("right", "cup"),
        ("right", ""),
    }
    for one in answers:
        assert one.header == (left if one.camera == "left" else right).header
    assert masks[0].header == left.header
    assert np.array_equal(pixels(masks[0]), red(scene()) * 255)
    assert boxes[0].header == right.header
    assert [detection.id for detection in boxes[0].detections] == ["cup"]
    samples = {call["instruction"]: call["samples"] for call in perceiver.calls}
    assert samples == {"mark the mug": 3, "find the cup": 1, "describe it": 1}


def test_an_instruction_that_fails_does_not_take_the_others_with_it(make_robot: MakeRobot) -> None:
    robot = make_robot(diagnostics_period=0.1)
    answers = robot.listen(Perception, "/instructseq/perception")
    robot.stand("bad", "fail")
    robot.stand("good", "describe it")
    wait_for_topic(robot, "/instructseq/good/mask")
    assert eventually(lambda: robot.node.count_subscribers("/instructseq/perception"))
    robot.show(scene())
    assert eventually(lambda: answers)
    assert [one.standing_id for one in answers] == ["good"]
    assert eventually(lambda: "the stand-in fails" in status(robot)["last error"])


def test_ended_instructions_take_their_topics_along(make_robot: MakeRobot, perceiver: Any) -> None:
    robot = make_robot(diagnostics_period=0.1)
    robot.stand("mug", "mark the mug")
    robot.stand("cup", "mark the cup", expiry=Duration(nanosec=200_000_000))
    wait_for_topic(robot, "/instructseq/mug/mask")
    assert eventually(lambda: "cup" not in status(robot)["instructions"])
    assert eventually(lambda: robot.tester.count_publishers("/instructseq/cup/mask") == 0)
    robot.stand("mug", "")
    assert eventually(lambda: robot.tester.count_publishers("/instructseq/mug/mask") == 0)
    robot.show(scene())
    assert eventually(lambda: status(robot)["frames received"] == "1")
    assert perceiver.calls == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"id": "2 mugs"}, "cannot be part of topic names"),
        ({"id": "mask"}, "is the name of a camera or an output"),
        ({"cameras": ["back"]}, "there is no camera 'back': this node's parameter cameras has ''"),
        ({"samples": 33}, "samples must be between 1 and 32"),
        ({"temperature": 2.5}, "temperature must be between 0 and 2"),
        ({"priority": 10}, "priority must be between 0 and 9"),
        ({"id": "third"}, "2 instructions stand already"),
    ],
)
def test_instructions_that_cannot_stand_are_refused_with_the_reason(
    make_robot: MakeRobot, fields: dict[str, Any], words: str
) -> None:
    robot = make_robot(max_instructions=2, diagnostics_period=0.1)
    robot.stand("first", "mark the mug")
    robot.stand("second", "mark the cup")
    robot.stand(**{"id": "first", "text": "describe it", **fields})
    assert eventually(lambda: words in status(robot)["last error"])
    standing = status(robot)["instructions"]
    assert standing == "first (priority 0): mark the mug; second (priority 0): mark the cup"


def test_late_frames_are_dropped_and_a_clock_that_starts_anew_is_followed(make_robot: MakeRobot) -> None:
    robot = make_robot(instruction="describe it", diagnostics_period=0.1, most_late=1.0)
    answers = robot.listen(Perception, "/instructseq/perception")
    assert eventually(lambda: robot.node.count_subscribers("/instructseq/perception"))
    for number, (stamp, expected) in enumerate([(10.0, 1), (9.5, 1), (10.0, 2), (2.0, 3), (2.5, 4)]):
        robot.show(scene(), stamp=stamp)
        assert eventually(lambda number=number: status(robot)["frames received"] == str(number + 1))
        assert eventually(lambda expected=expected: len(answers) == expected)
    assert [one.header.stamp.sec for one in answers] == [10, 10, 2, 2]
    camera = robot.received["/diagnostics"][-1].status[1]
    values = {item.key: item.value for item in camera.values}
    assert values["dropped: its stamp was older than that of the frame before"] == "1"


@pytest.mark.parametrize("seed", range(2))
def test_every_output_is_its_sources_and_none_is_older_than_one_before(make_robot: MakeRobot, seed: int) -> None:
    """The property that no frame breaks, on frames that come late, twice and in bursts, of two cameras."""
    random = np.random.default_rng(seed)
    cameras = ("left", "right")
    robot = make_robot(cameras=list(cameras), most_late=3600.0, diagnostics_period=0.1)
    answers = robot.listen(Perception, "/instructseq/perception")
    robot.stand("mug", "mark the mug", priority=int(random.integers(10)))
    robot.stand("cup", "find the cup", cameras=["left"])
    masks = {}
    for camera in cameras:
        wait_for_topic(robot, f"/instructseq/{camera}/mug/mask")
        masks[camera] = robot.listen(Image, f"/instructseq/{camera}/mug/mask")
    assert eventually(lambda: robot.node.count_subscribers("/instructseq/perception"))
    sent: dict[tuple[str, int, int], list[Any]] = {}
    now = dict.fromkeys(cameras, 100.0)
    for number in range(120):
        camera = cameras[int(random.integers(2))]
        now[camera] += float(random.choice([0.0, 0.033, 0.1]))
        stamp = now[camera] - float(random.choice([0.0, 0.0, 0.5]))
        image = scene(shift=int(random.integers(-10, 10)))
        message = robot.show(image, stamp=stamp, camera=camera)
        sent.setdefault((camera, message.header.stamp.sec, message.header.stamp.nanosec), []).append(image)
        if number % 7 == 0:
            time.sleep(0.02)
        if number == 60:
            robot.stand("mug", "mark the mug again")
    assert eventually(lambda: int(status(robot)["frames received"]) > 10)
    time.sleep(0.3)
    assert len(answers) > 3
    newest: dict[tuple[str, str], tuple[int, int]] = {}
    for one in answers:
        stamp = (one.header.stamp.sec, one.header.stamp.nanosec)
        assert (one.camera, *stamp) in sent
        assert one.header.frame_id == f"{one.camera}_optical_frame"
        assert stamp >= newest.get((one.camera, one.standing_id), stamp)
        newest[one.camera, one.standing_id] = stamp
    for camera, found in masks.items():
        stamps = [(mask.header.stamp.sec, mask.header.stamp.nanosec) for mask in found]
        assert stamps == sorted(stamps)
        for mask, stamp in zip(found, stamps, strict=True):
            assert mask.header.frame_id == f"{camera}_optical_frame"
            assert any(np.array_equal(pixels(mask), red(image) * 255) for image in sent[(camera, *stamp)])
