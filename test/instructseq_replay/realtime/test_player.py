"""What a player waits for after the last frame: the answer to it, however long the model takes, and no longer."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("instructseq.msg")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from instructseq.msg import Instruction, Perception
from instructseq_replay.frames import FrameKey, Header
from instructseq_replay.instructions import Asked
from instructseq_replay.realtime import player as playing
from instructseq_replay.realtime.player import (
    ANSWER_TOPIC,
    IMAGE_TOPIC,
    INSTRUCTION_TOPIC,
    NODE_NAME,
    Player,
    TimedFrame,
)
from instructseq_ros.local_environment import prepare_environment

ASKED = Asked(id="mug", say="mark the mug")
SLOW = 1.5
"""Seconds that the stand-in takes for an answer, many times the interval of frames."""


@pytest.fixture(autouse=True)
def shorter_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + os.getpid() % 101))
    prepare_environment()
    monkeypatch.setattr(playing, "QUIET_SECONDS", 0.3)


class SlowNode:
    """Answers the newest frame after `SLOW` seconds, and none whose stamp is in `silent_about`."""

    def __init__(self, silent_about: set[int]) -> None:
        self._silent_about, self._newest, self._stopped = silent_about, None, threading.Event()
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node("slow", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._node.create_subscription(Image, IMAGE_TOPIC, self._came, qos_profile_sensor_data)
        self._node.create_subscription(Instruction, INSTRUCTION_TOPIC, lambda message: None, QoSProfile(depth=10))
        self._node.create_publisher(Image, f"/{NODE_NAME}/{ASKED.id}/mask", QoSProfile(depth=1))
        self._answers = self._node.create_publisher(Perception, ANSWER_TOPIC, QoSProfile(depth=50))
        self._threads = [threading.Thread(target=one) for one in (self._spin, self._work)]
        for thread in self._threads:
            thread.start()

    def _came(self, message: Image) -> None:
        self._newest = message

    def _spin(self) -> None:
        while not self._stopped.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def _work(self) -> None:
        while not self._stopped.wait(0.01):
            message, self._newest = self._newest, None
            if message is not None:
                time.sleep(SLOW)
                if message.header.stamp.sec not in self._silent_about:
                    self._answers.publish(Perception(header=message.header, standing_id=ASKED.id))

    def close(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)


@pytest.fixture
def make_node() -> Iterator[Callable[[set[int]], SlowNode]]:
    made: list[SlowNode] = []

    def make(silent_about: set[int]) -> SlowNode:
        made.append(SlowNode(silent_about))
        return made[-1]

    yield make
    for node in made:
        node.close()


def frames(count: int) -> Iterator[TimedFrame]:
    for number in range(1, count + 1):
        message = Image(height=2, width=2, encoding="rgb8", step=6, data=bytes(12))
        message.header.stamp.sec = number
        yield TimedFrame(
            key=FrameKey(number * 100_000_000, "/camera", 0),
            header=Header(stamp_ns=number * 10**9, frame_id=""),
            size_wh=(2, 2),
            data=serialize_message(message),
        )


def played(count: int) -> tuple[list[int], float]:
    """Stamps of the answers, and seconds from the last frame to the end."""
    stamps, last = [], 0.0
    with Player(type_name="sensor_msgs/msg/Image", instructions=[ASKED], check=lambda: None) as player:
        player.wait_for_listener()
        for answer in player.play(frames(count), rate=1.0):
            if answer is None:
                last = time.monotonic()
            else:
                stamps.append(answer.frame.header.stamp_ns // 10**9)
    return stamps, time.monotonic() - last


def test_the_last_frame_is_waited_for_though_the_model_is_slower_than_the_quiet(
    make_node: Callable[[set[int]], SlowNode],
) -> None:
    make_node(set())
    stamps, waited = played(4)
    assert stamps[-1] == 4
    assert len(stamps) < 4  # frames in between were replaced by newer ones
    assert waited < 10 * SLOW  # and nothing is waited for once it came


def test_a_last_frame_without_an_answer_is_given_up(make_node: Callable[[set[int]], SlowNode]) -> None:
    make_node({4})
    stamps, waited = played(4)
    assert 4 not in stamps
    assert stamps
    assert waited < playing.SETTLE_SECONDS
