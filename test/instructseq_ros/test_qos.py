"""Quality of service over DDS: what is heard, what parameters change, and what is said when two ends do not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

from rcl_interfaces.msg import Log
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from .conftest import image_message
from .observing import eventually, scene

MakeRobot = Callable[..., Any]


def lines(robot: Any) -> list[str]:
    return [entry.msg for entry in robot.received["/rosout"]]


def test_reliable_and_best_effort_cameras_are_both_heard(make_robot: MakeRobot, perceiver: Any) -> None:
    robot = make_robot(instruction="describe it")
    reliable = robot.tester.create_publisher(Image, "image", QoSProfile(depth=1))
    assert eventually(reliable.get_subscription_count)
    robot.show(scene(), stamp=1)
    assert eventually(lambda: len(perceiver.calls) == 1)
    reliable.publish(image_message(scene(), stamp=2))
    assert eventually(lambda: len(perceiver.calls) == 2)


def test_parameters_override_and_what_does_not_fit_is_named_with_both_profiles_and_the_fix(
    make_robot: MakeRobot,
) -> None:
    robot = make_robot(
        active=False,
        autostart=False,
        **{
            "qos_overrides./image.subscription.reliability": "reliable",
            "qos_overrides./instructseq/mask.publisher.depth": 7,
        },
    )
    robot.listen(Log, "/rosout", durability=DurabilityPolicy.TRANSIENT_LOCAL)
    assert robot.change_state("configure")
    assert robot.change_state("activate")
    (mask,) = robot.tester.get_publishers_info_by_topic("/instructseq/mask")
    assert mask.node_name == "instructseq"
    assert robot.node.get_parameter("qos_overrides./instructseq/mask.publisher.depth").value == 7
    (own,) = [end for end in robot.tester.get_subscriptions_info_by_topic("/image") if end.node_name == "instructseq"]
    assert own.qos_profile.reliability == ReliabilityPolicy.RELIABLE

    def report() -> str:
        return next((line for line in lines(robot) if line.startswith("incompatible_qos")), "")

    assert eventually(report), lines(robot)
    words = report()
    assert "/tester publishes /image with reliability best_effort, durability volatile" in words
    assert "this node subscribes with reliability reliable" in words
    assert "qos_overrides./image.subscription.reliability: best_effort" in words


def test_a_subscription_that_cannot_hear_the_node_is_named(make_robot: MakeRobot) -> None:
    robot = make_robot()
    robot.listen(Log, "/rosout", durability=DurabilityPolicy.TRANSIENT_LOCAL)
    asking = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    for _ in range(4):  # a log message can be lost while its two ends are still finding one another
        robot.tester.create_subscription(Image, "/instructseq/mask", print, asking)
        if eventually(lambda: any("/tester subscribes to /instructseq/mask" in s for s in lines(robot)), seconds=15):
            break
    words = next(line for line in lines(robot) if "/tester subscribes to /instructseq/mask" in line)
    assert "qos_overrides./instructseq/mask.publisher.durability: transient_local" in words
