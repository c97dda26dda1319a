"""Hostile images over DDS: the node refuses them in words on /diagnostics, and answers the next good one."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")

from sensor_msgs.msg import CompressedImage, Image

from .observing import eventually, scene, status

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))

from fuzzing import compressed, images

ROUNDS = 6
HOSTILE = 15
"""Between two good images; most are replaced before the node takes them up, as a camera's are."""


def hostile_raw(random: Random) -> Image:
    made = images.make(random)
    return Image(
        height=made.height,
        width=made.width,
        encoding=made.encoding.encode("utf-8", "replace").decode().replace("\0", ""),
        is_bigendian=made.is_bigendian,
        step=min(made.step, 2**32 - 1),
        data=made.data,
    )


def hostile_compressed(random: Random) -> CompressedImage:
    return CompressedImage(format=random.choice(("jpeg", "png", "")), data=compressed.make(random))


def stamped(message, seconds: int):
    """The message, not older than those before it: a late frame is dropped without being looked at."""
    message.header.stamp.sec = seconds
    return message


def errors(robot) -> int:
    return int(status(robot)["errors"])


def test_raw_images_are_refused_and_the_node_goes_on(make_robot) -> None:
    robot = make_robot(instruction="mark it", diagnostics_period=0.1)
    answers = robot.listen(Image, "/instructseq/mask")
    random = Random(5)
    for number in range(1, ROUNDS + 1):
        for _ in range(HOSTILE):
            robot.images.publish(stamped(hostile_raw(random), number))
        # The last one is surely taken up.
        robot.images.publish(stamped(Image(height=3, width=3, encoding="rgb8", step=1), number))
        assert eventually(lambda number=number: errors(robot) >= number)
        robot.show(scene(), stamp=number)
        assert eventually(lambda number=number: any(one.header.stamp.sec == number for one in answers))
    assert robot.state() == "active"


def test_compressed_images_are_refused_and_the_node_goes_on(make_robot) -> None:
    robot = make_robot(instruction="mark it", diagnostics_period=0.1, image_transport="compressed")
    answers = robot.listen(Image, "/instructseq/mask")
    random = Random(7)
    good = CompressedImage(format="png", data=compressed.pictures()[0])
    for number in range(1, ROUNDS + 1):
        for _ in range(HOSTILE):
            robot.compressed.publish(stamped(hostile_compressed(random), number))
        robot.compressed.publish(stamped(CompressedImage(format="jpeg", data=b"no picture"), number))
        assert eventually(lambda number=number: errors(robot) >= number)
        robot.compressed.publish(stamped(good, number))
        assert eventually(lambda number=number: any(one.header.stamp.sec == number for one in answers))
    assert robot.state() == "active"


def test_the_size_limit_of_the_parameter_is_the_nodes(make_robot) -> None:
    robot = make_robot(instruction="mark it", diagnostics_period=0.1, max_image_pixels=100)
    robot.show(scene())
    assert eventually(lambda: "at most 100 are allowed" in status(robot)["message"])
    assert robot.set_parameters(max_image_pixels=10_000)[0].successful
    answers = robot.listen(Image, "/instructseq/mask")
    robot.show(scene(), stamp=9)
    assert eventually(lambda: any(one.header.stamp.sec == 9 for one in answers))
