"""The bench's end of DDS: publishes frames to a node and takes the time of the masks that come back."""

from __future__ import annotations

import array
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_bench.node.timing import Played
from instructseq_model.errors import InstructSeqError

SETTLE_SECONDS = 1.0
"""Answers that come later than this after the last frame count as missed, or twice the longest latency if more."""


class Camera:
    """Sends frames on one topic and hears masks on another.

    Args:
        node: an rclpy node that nothing else spins.
        images: topic of the frames.
        masks: topic of the answers.
        frames: H x W x 3 uint8 RGB, sent in turn.
    """

    def __init__(self, node: Any, *, images: str, masks: str, frames: Sequence[NDArray[np.uint8]]) -> None:
        import rclpy.executors
        from sensor_msgs.msg import Image

        from instructseq_ros.publishing import ANSWERS_OUT, FRAMES_IN

        self.frames = frames
        self._messages = [_message(frame) for frame in frames]
        self._publisher = node.create_publisher(Image, images, FRAMES_IN)
        node.create_subscription(Image, masks, self._keep, ANSWERS_OUT)
        self._quality = ANSWERS_OUT
        self._masks, self._node = masks, node
        self._executor = rclpy.executors.SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._sent: dict[int, float] = {}
        self._arrived: dict[int, float] = {}
        self._number = 0

    @contextmanager
    def listening(self, kind: type, topic: str) -> Iterator[list[Any]]:
        """Hear another topic too, until the context is left: the list gets its messages while frames are sent."""
        heard: list[Any] = []
        subscription = self._node.create_subscription(kind, topic, heard.append, self._quality)
        try:
            yield heard
        finally:
            self._node.destroy_subscription(subscription)

    def wait_until_heard(self, check: Callable[[], None], *, patience: float) -> None:
        """Wait until somebody hears the frames and answers.

        Raises:
            InstructSeqError: nobody does within `patience` seconds.
        """
        end = time.monotonic() + patience
        while not (self._publisher.get_subscription_count() and self._node.count_publishers(self._masks)):
            check()
            if time.monotonic() > end:
                raise InstructSeqError(f"nobody answered on {self._masks} within {patience:.0f} s: see the logs")
            self._spin(0.05)

    def round_trip(self, *, patience: float) -> float | None:
        """Send one frame and wait for its mask: seconds, or None if it does not come within `patience`."""
        number = self._send()
        end = time.perf_counter() + patience
        while number not in self._arrived and time.perf_counter() < end:
            self._spin(0.05)
        return self._arrived[number] - self._sent[number] if number in self._arrived else None

    def play(self, rate: float, *, seconds: float, least: int = 3) -> Played:
        """Send frames at a rate and hear what comes.

        Args:
            rate: Hz.
            seconds: that it is held.
            least: frames that are sent even if that takes longer.
        """
        first = self._number
        began = time.perf_counter()
        count = max(least, round(rate * seconds))
        for step in range(count):
            while (left := began + step / rate - time.perf_counter()) > 0:
                self._spin(left)
            self._send()
        last, longest = self._number - 1, 0.0
        end = time.perf_counter() + SETTLE_SECONDS
        while last not in self._arrived and time.perf_counter() < end + longest:
            self._spin(0.05)
            known = [self._arrived[one] - self._sent[one] for one in self._arrived if one >= first]
            longest = max([longest, *known])
        sent = {one: moment for one, moment in self._sent.items() if one >= first}
        return Played(sent=sent, arrived={one: moment for one, moment in self._arrived.items() if one in sent})

    def close(self) -> None:
        """End spinning; the node stays its owner's."""
        self._executor.shutdown()

    def _send(self) -> int:
        number = self._number
        self._number += 1
        message = self._messages[number % len(self._messages)]
        message.header.stamp.sec = number
        self._sent[number] = time.perf_counter()
        self._publisher.publish(message)
        return number

    def _keep(self, mask: Any) -> None:
        self._arrived.setdefault(int(mask.header.stamp.sec), time.perf_counter())

    def _spin(self, seconds: float) -> None:
        self._executor.spin_once(timeout_sec=seconds)


def _message(frame: NDArray[np.uint8]) -> Any:
    from sensor_msgs.msg import Image

    height, width = frame.shape[:2]
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.data = array.array("B", frame.tobytes())
    message.header.frame_id = "camera_optical_frame"
    return message
