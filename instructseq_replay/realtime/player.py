"""One pass of a camera's frames over DDS, in time, and the answers that come back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from instructseq_replay.bags.errors import BagError
from instructseq_replay.frames import COMPRESSED_TYPE, FrameKey, Header
from instructseq_replay.instructions import Asked
from instructseq_ros.node_process import NodeError

IMAGE_TOPIC = "/replay/image"
INSTRUCTION_TOPIC = "/replay/instructions"
ANSWER_TOPIC = "/replay/perception"
START_SECONDS = 300.0
"""The node may take this long to load its model on a slow machine."""

SETTLE_SECONDS = 60.0
"""After the last frame, the first answer of all is waited for this long."""

NODE_NAME = "instructseq"

QUIET_SECONDS = 4.0
"""Further ones at least this long: Fast DDS sends again what got lost when it hears of it, which may take three."""

PATIENCE = 3.0
"""And so many times as long as the slowest answer took."""


@dataclass(frozen=True, kw_only=True)
class TimedFrame:
    """A frame to publish: its message as it was recorded, and what identifies it."""

    key: FrameKey
    header: Header
    size_wh: tuple[int, int]
    data: bytes


@dataclass(frozen=True, kw_only=True)
class TimedAnswer:
    """An answer to the instruction with this id: the bytes of its message, and seconds from publishing its frame."""

    frame: TimedFrame
    standing_id: str
    data: bytes
    seconds: float


class _Sent(NamedTuple):
    """A frame that was published, when, and the ids of the instructions whose answers may still come."""

    frame: TimedFrame
    at: float
    unanswered: set[str]


class Player:
    """Publishes frames and keeps the answers; a context manager that holds ROS 2 for as long.

    Args:
        type_name: of the frames' messages.
        instructions: what is to stand, each under its id.
        check: called while waiting; raises if the node has stopped.
    """

    def __init__(self, *, type_name: str, instructions: Sequence[Asked], check: Callable[[], None]) -> None:
        self._compressed = type_name == COMPRESSED_TYPE
        self._instructions = tuple(instructions)
        self._check = check
        self._sent: dict[tuple[int, str], _Sent] = {}  # by stamp and frame id, in order
        self._answers: list[TimedAnswer] = []
        self._slowest: float | None = None

    def __enter__(self) -> Player:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.qos import QoSPresetProfiles, QoSProfile
        from rclpy.signals import SignalHandlerOptions
        from sensor_msgs.msg import CompressedImage, Image

        from instructseq.msg import Instruction, Perception

        self._context = rclpy.Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node("instructseq_replay", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        kind: Any = CompressedImage if self._compressed else Image
        topic = f"{IMAGE_TOPIC}/compressed" if self._compressed else IMAGE_TOPIC
        self._camera = self._node.create_publisher(kind, topic, QoSPresetProfiles.SENSOR_DATA.value)
        depth = max(50, 4 * len(self._instructions))
        self._node.create_subscription(Perception, ANSWER_TOPIC, self._answer_came, QoSProfile(depth=depth), raw=True)
        self._commands = self._node.create_publisher(
            Instruction, INSTRUCTION_TOPIC, QoSProfile(depth=len(self._instructions))
        )
        return self

    def __exit__(self, *error: Any) -> None:
        import rclpy

        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def wait_for_listener(self) -> None:
        """Wait until the node takes frames, and all instructions stand.

        Raises:
            NodeError: it stopped, or does not within `START_SECONDS`.
        """
        from instructseq.msg import Instruction

        end = time.monotonic() + START_SECONDS
        while self._camera.get_subscription_count() == 0 or self._commands.get_subscription_count() == 0:
            self._wait_a_little(end, "the node took no frames")
        for one in self._instructions:
            given = {"samples": one.samples, "temperature": one.temperature or 0.0}
            self._commands.publish(Instruction(id=one.id, text=one.say, **given))
        # An instruction that stands has topics of its own.
        while not all(self._node.count_publishers(f"/{NODE_NAME}/{one.id}/mask") for one in self._instructions):
            self._wait_a_little(end, "not all instructions were taken up by the node")

    def _wait_a_little(self, end: float, what: str) -> None:
        if time.monotonic() > end:
            raise NodeError(f"{what} within {START_SECONDS:.0f} s: see its log")
        self._spin(0.1)

    def play(self, frames: Iterator[TimedFrame], *, rate: float) -> Iterator[TimedAnswer | None]:
        """Publish the frames at their times, and then wait for what is on its way.

        Args:
            frames: in the order of their time.
            rate: 2 plays twice as fast.

        Yields:
            None after each frame, and each answer as it comes.

        Raises:
            BagError: two frames have one stamp, so that their answers could not be told apart.
        """
        begin, first_ns = time.monotonic(), None
        place: tuple[int, str] | None = None
        for frame in frames:
            first_ns = frame.key.log_ns if first_ns is None else first_ns
            due = begin + (frame.key.log_ns - first_ns) / 1e9 / rate
            while (left := due - time.monotonic()) > 0:
                self._spin(min(left, 0.05))
            place = (frame.header.stamp_ns, frame.header.frame_id)
            if place in self._sent:
                raise BagError(f"two frames of {frame.key.topic} have the stamp {place[0]}: replay them offline")
            self._sent[place] = _Sent(frame, time.monotonic(), {one.id for one in self._instructions})
            self._camera.publish(frame.data)
            self._spin(0.0)
            yield None
            yield from self._taken()
        quiet = time.monotonic()
        # Answers come in order, and the node always works on the newest frame: behind its answer comes nothing.
        while place in self._sent and time.monotonic() - quiet < self._patience():
            self._spin(0.1)
            if self._answers:
                quiet = time.monotonic()
                yield from self._taken()
        yield from self._taken()

    def _patience(self) -> float:
        """Seconds without an answer after which none is on its way."""
        return SETTLE_SECONDS if self._slowest is None else max(QUIET_SECONDS, PATIENCE * self._slowest)

    def _taken(self) -> Iterator[TimedAnswer]:
        """The answers that came since the last call."""
        taken, self._answers = self._answers, []
        yield from taken

    def _answer_came(self, data: bytes) -> None:
        from rclpy.serialization import deserialize_message

        from instructseq.msg import Perception

        now = time.monotonic()
        message = deserialize_message(data, Perception)
        header = message.header
        place = (header.stamp.sec * 10**9 + header.stamp.nanosec, header.frame_id)
        name = message.standing_id
        sent = self._sent.get(place)
        if sent is None or name not in sent.unanswered:
            return
        self._answers.append(TimedAnswer(frame=sent.frame, standing_id=name, data=data, seconds=now - sent.at))
        self._slowest = max(self._slowest or 0.0, now - sent.at)
        # The node answers an instruction in the order of its frames: those before were dropped.
        for earlier in list(self._sent):
            self._sent[earlier].unanswered.discard(name)
            if not self._sent[earlier].unanswered:
                del self._sent[earlier]
            if earlier == place:
                break

    def _spin(self, seconds: float) -> None:
        self._check()
        self._executor.spin_once(timeout_sec=seconds)
