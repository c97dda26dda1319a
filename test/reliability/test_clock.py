"""Clocks that are set, through the node: the frames', the simulation's, and the system's as the node reads it.

`test_system_clock.py` sets that of a whole process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

from rosgraph_msgs.msg import Clock

from instructseq.msg import Perception

from ..instructseq_ros.conftest import ColourPerceiver, Robot, eventually, table_scene

LATE = "dropped: its stamp was older than that of the frame before"


@pytest.fixture
def make_robot() -> Iterator[Callable[..., Robot]]:
    robots: list[Robot] = []

    def make(**parameters: Any) -> Robot:
        robots.append(Robot(ColourPerceiver(), {"diagnostics_period": 0.1, **parameters}))
        robots[-1].wait_until_active()
        return robots[-1]

    yield make
    for robot in robots:
        robot.close()


def stamps(answers: list[Perception], camera: str = "") -> list[float]:
    return [one.header.stamp.sec + one.header.stamp.nanosec / 1e9 for one in answers if one.camera == camera]


def late(robot: Robot, camera: str = "") -> str:
    """How many frames of a camera the newest diagnostics call late."""
    name = f"instructseq: camera {camera}".rstrip()
    for message in reversed(robot.received["/diagnostics"]):
        for status in message.status:
            if status.name == name:
                return next(item.value for item in status.values if item.key == LATE)
    return ""


def answered(answers: list[Perception], stamp: float, camera: str = "") -> Callable[[], bool]:
    return lambda: stamp in stamps(answers, camera)


def test_a_late_frame_is_dropped_and_a_clock_set_back_is_followed(make_robot: Callable[..., Robot]) -> None:
    robot = make_robot(instruction="mark the red square", cameras=["left", "right"])
    answers = robot.listen(Perception, "/instructseq/perception")
    for stamp in (100.0, 101.0):
        robot.show(table_scene(), stamp=stamp, camera="left")
        assert eventually(answered(answers, stamp, "left"))
    robot.show(table_scene(), stamp=100.5, camera="left")
    assert eventually(lambda: late(robot, "left") == "1")
    robot.show(table_scene(), stamp=5.0, camera="left")  # the bag begins again
    assert eventually(answered(answers, 5.0, "left"))
    robot.show(table_scene(), stamp=4.5, camera="left")
    assert eventually(lambda: late(robot, "left") == "2")
    robot.show(table_scene(), stamp=100.2, camera="right")  # whose clock was never set back
    assert eventually(answered(answers, 100.2, "right"))
    robot.show(table_scene(), stamp=5.25, camera="left")
    assert eventually(answered(answers, 5.25, "left"))
    assert stamps(answers, "left") == [100.0, 101.0, 5.0, 5.25]
    assert late(robot, "right") == "0"


def test_most_late_draws_the_line(make_robot: Callable[..., Robot]) -> None:
    robot = make_robot(instruction="mark the red square", most_late=50.0)
    answers = robot.listen(Perception, "/instructseq/perception")
    robot.show(table_scene(), stamp=100.0)
    assert eventually(answered(answers, 100.0))
    robot.show(table_scene(), stamp=51.0)
    assert eventually(lambda: late(robot) == "1")
    assert robot.set_parameters(most_late=0.5)[0].successful
    robot.show(table_scene(), stamp=51.5)  # the same step is a new beginning now
    assert eventually(answered(answers, 51.5))
    assert stamps(answers) == [100.0, 51.5]


def test_simulated_time_set_back_stops_nothing_and_prolongs_no_instruction(make_robot: Callable[..., Robot]) -> None:
    robot = make_robot(use_sim_time=True)
    clock = robot.tester.create_publisher(Clock, "/clock", 10)
    assert eventually(lambda: clock.get_subscription_count() > 0)

    def set_clock(seconds: float) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = int(seconds), round(seconds % 1 * 1e9)
        nanoseconds = message.clock.sec * 10**9 + message.clock.nanosec
        clock.publish(message)
        assert eventually(lambda: robot.node.get_clock().now().nanoseconds == nanoseconds)

    answers = robot.listen(Perception, "/instructseq/perception")
    set_clock(1000.0)
    instruction = {"expiry": _duration(10)}
    robot.stand("mug", "mark the red square", **instruction)
    robot.show(table_scene(), stamp=1000.0)
    assert eventually(answered(answers, 1000.0))
    set_clock(1004.0)
    robot.show(table_scene(), stamp=1004.0)
    assert eventually(answered(answers, 1004.0))
    set_clock(2.0)  # the simulation is reset; six of the ten seconds are left
    robot.show(table_scene(), stamp=2.0)
    assert eventually(answered(answers, 2.0))
    set_clock(7.5)
    robot.show(table_scene(), stamp=7.5)
    assert eventually(answered(answers, 7.5))
    before = len(robot.received["/diagnostics"])
    set_clock(8.5)
    assert eventually(lambda: len(robot.received["/diagnostics"]) > before)  # the timer lives on the new time
    robot.show(table_scene(), stamp=8.5)
    robot.stand("cup", "mark the red square")
    robot.show(table_scene(), stamp=9.0)
    assert eventually(answered(answers, 9.0))
    assert [one.standing_id for one in answers] == ["mug"] * 4 + ["cup"] * (len(answers) - 4)


def test_a_step_of_the_systems_clock_ends_and_prolongs_no_instruction(
    make_robot: Callable[..., Robot], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rclpy.duration import Duration

    robot = make_robot()
    clock, ahead = robot.node.get_clock(), [0]
    read = clock.now
    monkeypatch.setattr(clock, "now", lambda: read() + Duration(seconds=ahead[0]))
    answers = robot.listen(Perception, "/instructseq/perception")
    robot.stand("mug", "mark the red square", expiry=_duration(1800))
    for offset in (0, -3600, 3600):
        ahead[0] = offset
        stamp = float(10_000 + offset)
        robot.show(table_scene(), stamp=stamp)
        assert eventually(answered(answers, stamp))
        before = len(robot.received["/diagnostics"])
        assert eventually(lambda before=before: len(robot.received["/diagnostics"]) > before + 2)
    robot.stand("cup", "mark the red square", expiry=_duration(2))
    assert eventually(lambda: "cup" in standing(robot))
    ahead[0] = -3600
    assert eventually(lambda: "cup" not in standing(robot))
    assert "mug" in standing(robot)
    assert [one.standing_id for one in answers][:3] == ["mug"] * 3


def test_no_timer_of_the_node_follows_the_systems_clock(make_robot: Callable[..., Robot]) -> None:
    from rclpy.clock import ClockType

    kinds = [timer.clock.clock_type for timer in make_robot().node.timers]
    assert len(kinds) >= 3
    assert set(kinds) == {ClockType.STEADY_TIME}


def standing(robot: Robot) -> str:
    """The instructions that stand, as the newest diagnostics say."""
    values = [item for status in robot.received["/diagnostics"][-1].status for item in status.values]
    return next(item.value for item in values if item.key == "instructions")


def _duration(seconds: int) -> Any:
    from builtin_interfaces.msg import Duration

    return Duration(sec=seconds)
