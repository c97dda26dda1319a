"""Quality of service over DDS: what is heard, what parameters change, and what is said when two ends do not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from .conftest import image_message
from .observing import eventually, scene

MakeRobot = Callable[..., Any]


class Console:
    """What was logged so far, read where it is printed.

    /rosout is not reliable between tests of one process: rcl keeps one publisher a logger's name, and takes that of the
    test before while anything still holds its node.
    """

    def __init__(self, printed: pytest.CaptureFixture[str]) -> None:
        self._printed, self._text = printed, ""

    def line_with(self, words: str) -> str:
        """The first line with these words; empty where there is none."""
        self._text += self._printed.readouterr().err
        return next((line for line in self._text.splitlines() if words in line), "")


@pytest.fixture
def console(capfd: pytest.CaptureFixture[str]) -> Console:
    return Console(capfd)


def test_reliable_and_best_effort_cameras_are_both_heard(make_robot: MakeRobot, perceiver: Any) -> None:
    robot = make_robot(instruction="describe it")
    reliable = robot.tester.create_publisher(Image, "image", QoSProfile(depth=1))
    assert eventually(reliable.get_subscription_count)
    robot.show(scene(), stamp=1)
    assert eventually(lambda: len(perceiver.calls) == 1)
    reliable.publish(image_message(scene(), stamp=2))
    assert eventually(lambda: len(perceiver.calls) == 2)


def test_parameters_override_and_what_does_not_fit_is_named_with_both_profiles_and_the_fix(
    make_robot: MakeRobot, console: Console
) -> None:
    robot = make_robot(
        active=False,
        autostart=False,
        **{
            "qos_overrides./image.subscription.reliability": "reliable",
            "qos_overrides./instructseq/mask.publisher.depth": 7,
        },
    )
    assert robot.change_state("configure")
    assert robot.change_state("activate")
    (mask,) = robot.tester.get_publishers_info_by_topic("/instructseq/mask")
    assert mask.node_name == "instructseq"
    assert robot.node.get_parameter("qos_overrides./instructseq/mask.publisher.depth").value == 7
    (own,) = [end for end in robot.tester.get_subscriptions_info_by_topic("/image") if end.node_name == "instructseq"]
    assert own.qos_profile.reliability == ReliabilityPolicy.RELIABLE

    assert eventually(lambda: console.line_with("incompatible_qos"))
    words = console.line_with("incompatible_qos")
    assert "/tester publishes /image with reliability best_effort, durability volatile" in words
    assert "this node subscribes with reliability reliable" in words
    assert "qos_overrides./image.subscription.reliability: best_effort" in words


def test_a_subscription_that_cannot_hear_the_node_is_named(make_robot: MakeRobot, console: Console) -> None:
    robot = make_robot()
    listener = rclpy.create_node("listener", context=robot.context)
    listener.create_subscription(Image, "/instructseq/mask", print, QoSProfile(depth=1))
    assert eventually(lambda: robot.node.count_subscribers("/instructseq/mask"))
    asking = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    robot.tester.create_subscription(Image, "/instructseq/mask", print, asking)
    assert eventually(lambda: console.line_with("/tester subscribes to /instructseq/mask"))
    words = console.line_with("/tester subscribes to /instructseq/mask")
    assert "transient_local, and this node publishes with reliability reliable, durability volatile" in words
    assert "qos_overrides./instructseq/mask.publisher.durability: transient_local" in words
    assert "deadline" not in words
    assert "liveliness" not in words
    assert not console.line_with("/listener subscribes")
    listener.destroy_node()
