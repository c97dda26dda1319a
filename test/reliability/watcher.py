"""A robot's end of DDS: keeps when which answer came, and the newest diagnostics."""

from __future__ import annotations

import array
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import Image

from instructseq.msg import Instruction, Perception

NANOSECONDS = 10**9


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An answer that came.

    Attributes:
        stamp: of its frame, in nanoseconds.
        age: seconds from the stamp to having the answer.
        at: seconds of the monotonic clock.
    """

    camera: str
    id: str
    stamp: int
    age: float
    at: float


class Watcher:
    """Spins only while something is waited for; a context manager."""

    def __enter__(self) -> Watcher:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("watcher", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.answers: list[Seen] = []
        self.diagnostics: dict[str, dict[str, str]] = {}
        self.diagnosed = 0
        self.images: dict[str, Any] = {}
        self.standing = self.node.create_publisher(Instruction, "instructions", QoSProfile(depth=10))
        self.node.create_subscription(Perception, "/instructseq/perception", self._answered, QoSProfile(depth=50))
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, QoSProfile(depth=10))
        return self

    def __exit__(self, *error: object) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()

    def _answered(self, message: Perception) -> None:
        stamp = message.header.stamp.sec * NANOSECONDS + message.header.stamp.nanosec
        age = (time.time_ns() - stamp) / NANOSECONDS
        self.answers.append(
            Seen(camera=message.camera, id=message.standing_id, stamp=stamp, age=age, at=time.monotonic())
        )

    def _diagnosed(self, message: DiagnosticArray) -> None:
        self.diagnosed += 1
        for status in message.status:
            part = status.name.partition(": ")[2]
            values = {item.key: item.value for item in status.values}
            self.diagnostics[part] = {"level": str(status.level[0]), "message": status.message, **values}

    def spin(self, seconds: float) -> None:
        """Listen for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left)

    def wait(self, condition: Callable[[], Any], seconds: float) -> None:
        """Listen until the condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"nothing came in {seconds:g} s; diagnostics: {self.diagnostics}"
            self.executor.spin_once(timeout_sec=0.05)

    def repeat(self, do: Callable[[], object], condition: Callable[[], object], seconds: float) -> None:
        """Do it until the condition holds: again, since messages get lost, but ever more seldom, on a slow machine."""
        patience, end = 2.0, time.monotonic() + seconds
        while True:
            do()
            enough = time.monotonic() + patience
            while not condition() and time.monotonic() < enough:
                self.executor.spin_once(timeout_sec=0.05)
            if condition():
                return
            assert time.monotonic() < end, f"nothing came in {seconds:g} s; diagnostics: {self.diagnostics}"
            patience *= 1.5

    def wait_for_diagnostics(self, seconds: float = 240.0) -> None:
        """Until new ones have come."""
        before = self.diagnosed
        self.wait(lambda: self.diagnosed > before + 1, seconds)

    def show(self, camera: str, number: int, *, stamp: int | None = None, step: int | None = None) -> None:
        """Publish one frame of a camera, stamped now unless told otherwise; a wrong `step` makes it no image."""
        if camera not in self.images:
            topic = f"/{camera}/image" if camera else "/image"
            self.images[camera] = self.node.create_publisher(Image, topic, qos_profile_sensor_data)
            self.wait(lambda: self.images[camera].get_subscription_count() > 0, 600.0)
        pixels = np.random.default_rng(number).integers(90, 110, (240, 320, 3), np.uint8)
        pixels[80:160, 120:200] = (220, 30, 20)
        message = Image(height=240, width=320, encoding="rgb8", step=960 if step is None else step)
        message.data = array.array("B", pixels.tobytes())
        moment = time.time_ns() if stamp is None else stamp
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(moment, NANOSECONDS)
        self.images[camera].publish(message)

    def seconds_an_answer(self, camera: str, frames: int) -> float:
        """Median time to the answer while each frame waits for the one before: the node's pace without load."""
        times = []
        for number in range(frames + 1):
            before = len(self.answers)
            self.show(camera, number)
            self.wait(lambda before=before: len(self.answers) > before, 600.0)  # type: ignore[misc]
            times.append(self.answers[-1].age)
        return float(np.median(times[1:]))

    def counted(self) -> dict[str, int]:
        """The node's counters over all cameras: frames, answers, and drops by cause."""
        found = {"frames": 0, "answers": int(self.diagnostics["perception"]["answers"])}
        for part, values in self.diagnostics.items():
            if part.startswith("camera"):
                found["frames"] += int(values["frames received"])
                for name, value in values.items():
                    if name.startswith("dropped: "):
                        found[name] = found.get(name, 0) + int(value)
        return found
