"""The node in another's executor, with one thread, a namespace, remapped topics and simulated time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

import rclpy
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration, Time
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from instructseq.action import Perceive
from instructseq.msg import Instruction, Perception
from instructseq_ros.composition import add_to

from .conftest import ColourPerceiver, image_message
from .observing import eventually, scene


class Process:
    """One thread that serves a camera's driver and the node."""

    def __init__(self, perceiver: ColourPerceiver, **options: Any) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.driver = rclpy.create_node("driver", context=self.context, namespace="arm")
        self.executor.add_node(self.driver)
        self.images = self.driver.create_publisher(Image, "camera/image", 1)
        self.instructions = self.driver.create_publisher(Instruction, "instructions", 10)
        self.clock = self.driver.create_publisher(Clock, "/clock", 10)
        self.heard: list[Perception] = []
        self.driver.create_subscription(Perception, "eyes/perception", self.heard.append, 10)
        self.action = ActionClient(self.driver, Perceive, "eyes/perceive")
        self.node = add_to(
            self.executor,
            name="eyes",
            namespace="arm",
            remappings=[("image", "camera/image")],
            load=lambda settings: perceiver,
            context=self.context,
            **options,
        )

    def until(self, condition: Callable[[], Any]) -> None:
        """Spin the one thread until it holds."""

        def held() -> Any:
            self.executor.spin_once(timeout_sec=0.02)
            return condition()

        assert eventually(held)

    def ready(self) -> None:
        """Wait until both nodes have found each other."""
        self.until(lambda: self.images.get_subscription_count() and self.node.count_subscribers("/arm/eyes/perception"))

    def close(self) -> None:
        """End in the order that rclpy needs."""
        self.node.stop()
        self.executor.shutdown()
        self.action.destroy()
        self.node.destroy_node()
        self.driver.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def process(perceiver: ColourPerceiver) -> Iterator[Process]:
    process = Process(perceiver, parameters={"instruction": "describe it"})
    yield process
    process.close()


def test_one_thread_serves_camera_node_and_goals(process: Process, perceiver: ColourPerceiver) -> None:
    process.ready()
    assert process.node.get_fully_qualified_name() == "/arm/eyes"
    process.images.publish(image_message(scene(), stamp=5))
    process.until(lambda: process.heard)
    assert (process.heard[0].caption, process.heard[0].header.stamp.sec) == ("400 red pixels", 5)
    process.until(process.action.server_is_ready)
    sent = process.action.send_goal_async(Perceive.Goal(instruction="find the square"))
    process.until(sent.done)
    result = sent.result().get_result_async()
    process.images.publish(image_message(scene(), stamp=6))
    process.until(result.done)
    assert result.result().result.success
    assert result.result().result.perception.header.stamp.sec == 6
    perceiver.gate.clear()
    perceiver.busy.clear()
    sent = process.action.send_goal_async(Perceive.Goal(instruction="find it", image=image_message(scene())))
    process.until(sent.done)
    process.until(perceiver.busy.is_set)
    cancelled = sent.result().cancel_goal_async()
    process.until(cancelled.done)
    perceiver.gate.set()
    result = sent.result().get_result_async()
    process.until(result.done)
    assert result.result().status == GoalStatus.STATUS_CANCELED


def test_instructions_expire_by_simulated_time(perceiver: ColourPerceiver) -> None:
    process = Process(perceiver, parameters={"use_sim_time": True, "diagnostics_period": 0.1})
    try:
        process.ready()

        def tick(second: int) -> None:
            process.clock.publish(Clock(clock=Time(sec=second)))
            process.until(lambda: process.node.get_clock().now().nanoseconds == second * 10**9)

        process.until(process.clock.get_subscription_count)
        tick(100)
        process.instructions.publish(Instruction(id="mug", text="describe it", expiry=Duration(sec=10)))
        process.until(lambda: process.node._standing.all())
        for frames, (second, answers) in enumerate(((105, 1), (109, 2), (110, 2)), start=1):
            tick(second)
            process.images.publish(image_message(scene(), stamp=second))
            process.until(lambda frames=frames: process.node._metrics.snapshot().frames == frames)
            process.until(lambda answers=answers: len(process.heard) == answers)
        process.until(lambda: not process.node._standing.all())
    finally:
        process.close()
