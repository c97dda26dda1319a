"""A node with a small deterministic stand-in for the model, a tester's node beside it, both spinning in threads."""

from __future__ import annotations

import array
import contextlib
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

SOON = 60.0  # a test machine may be busy with other things; nothing waits this long when all is well

# A domain of this session's own, on this machine only, so that no other node is heard. Domains above 101 would need
# ports that Linux gives to others.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_LOCALHOST_ONLY"] = "1"


def eventually(condition: Callable[[], Any], *, seconds: float = SOON) -> bool:
    """Whether the condition holds within the time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


class ColourPerceiver:
    """Answers by colour and by the first word: mark, find, label, describe.

    Waits at `gate` while that is shut, and at `second_gate` after it has reported that half of the tokens are decoded.
    While it waits there, it shows the answer under way again and again: its upper half.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.second_gate = threading.Event()
        self.second_gate.set()
        self.broken_off = 0
        self.busy = threading.Event()
        self.calls: list[dict[str, Any]] = []
        self.batches: list[list[str]] = []
        self.forgotten = 0

    def batch(self, questions: Any, *, progress: Any = None, should_stop: Any = None, watch: Any = None) -> list[Any]:
        from instructseq_model.stopping import stoppable

        tell = stoppable(progress, should_stop)
        self.batches.append([question.instruction for question in questions])
        names = ("samples", "temperature", "seed", "label_set", "task", "stream")
        return [
            self(
                one.image,
                one.instruction,
                progress=tell,
                watch=None if watch is None else lambda read, at=at: watch(lambda: {at: read()}),
                **{name: getattr(one, name) for name in names},
            )
            for at, one in enumerate(questions)
        ]

    def forget(self) -> None:
        self.forgotten += 1

    def __call__(
        self,
        image: NDArray[np.uint8],
        instruction: str,
        *,
        progress: Callable[[str, float], None],
        watch: Any = None,
        **options: Any,
    ) -> Any:
        from instructseq_model.perception import Box, Perception, Task
        from instructseq_model.vocabulary import OutputKind

        self.calls.append({"instruction": instruction, "first_pixel": tuple(image[0, 0].tolist()), **options})
        self.busy.set()
        assert self.gate.wait(SOON)
        try:
            progress("decode", 0.5)
        except Exception:
            self.broken_off += 1
            raise
        for _ in range(int(SOON / 0.01)):
            if self.second_gate.wait(0.01):
                break
            progress("decode", 0.5)
            if watch is not None:
                watch(lambda: upper_half(image, instruction))
        assert self.second_gate.is_set()
        if "fail" in instruction:
            raise RuntimeError("the stand-in fails")
        inside = red_pixels(image)  # H x W
        height, width = inside.shape
        common = {"instruction": instruction, "size_wh": (width, height), "samples": options["samples"], "score": 0.75}
        confidence = np.where(inside, 0.9, 0.1).astype(np.float32)
        if instruction.startswith("find"):
            boxes = []
            if inside.any():
                down, across = np.nonzero(inside)
                x2, y2 = float(across.max() + 1), float(down.max() + 1)
                boxes.append(Box(x1=float(across.min()), y1=float(down.min()), x2=x2, y2=y2, score=0.5))
            return Perception(
                kind=OutputKind.BOXES,
                task=Task.DETECTION,
                boxes=tuple(boxes),
                confidence=confidence,
                **common,
            )
        if instruction.startswith("describe"):
            return Perception(kind=OutputKind.TEXT, task=Task.CAPTION, caption=f"{inside.sum()} red pixels", **common)
        if instruction.startswith("label"):
            from instructseq_model.label_sets import label_set

            chosen = label_set(options["label_set"] or "household")
            ids = np.where(inside, 3, chosen.unlabelled).astype(np.uint8)
            return Perception(
                kind=OutputKind.MAP, task=Task.SEMANTIC, mask=ids, label_set=chosen, confidence=confidence, **common
            )
        return Perception(
            kind=OutputKind.MAP,
            task=Task.SEGMENTATION,
            mask=inside.astype(np.uint8),
            confidence=confidence,
            timings={"encode": 0.01, "decode": 0.02, "aggregate": 0.003, "total": 0.033},
            **common,
        )


def upper_half(image: NDArray[np.uint8], instruction: str) -> Any:
    """A referring answer under way: known in the upper half of the image, and decided in its upper quarter."""
    from instructseq_model.partial import DECIDED, GUESSED, UNKNOWN, Partial
    from instructseq_model.perception import Perception, Task
    from instructseq_model.vocabulary import OutputKind

    height, width = image.shape[:2]
    states = np.full((height, width), UNKNOWN, np.uint8)
    states[: height // 2], states[: height // 4] = GUESSED, DECIDED
    perception = Perception(
        kind=OutputKind.MAP,
        task=Task.SEGMENTATION,
        instruction=instruction,
        size_wh=(width, height),
        mask=(red_pixels(image) & (states > UNKNOWN)).astype(np.uint8),
        confidence=np.where(states == DECIDED, 0.5, 0.0).astype(np.float32),
    )
    return Partial(perception=perception, decided=states)


def red_pixels(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where red outweighs green and blue, H x W."""
    values = image.astype(int)
    return (values[..., 0] > values[..., 1] + 50) & (values[..., 0] > values[..., 2] + 50)


def table_scene(*, shift: int = 0) -> NDArray[np.uint8]:
    """A red square on grey noise, 48 x 64 x 3."""
    image = np.random.default_rng(3).integers(90, 110, (48, 64, 3), np.uint8)
    image[10:30, 20 + shift : 40 + shift] = (220, 30, 20)
    return image


class Robot:
    """The node under test and a tester that publishes to it and keeps what it says."""

    def __init__(self, perceiver: Any, parameters: dict[str, Any]) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.action import ActionClient
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.parameter import Parameter
        from rclpy.qos import QoSProfile, qos_profile_sensor_data
        from sensor_msgs.msg import CompressedImage, Image
        from std_msgs.msg import String

        from instructseq.action import Perceive
        from instructseq.msg import Instruction
        from instructseq_ros.handing_executor import HandingExecutor
        from instructseq_ros.node import EXECUTOR_THREADS, InstructSeqNode

        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        load = perceiver if callable(perceiver) and not isinstance(perceiver, ColourPerceiver) else lambda _: perceiver
        self.node = InstructSeqNode(load=load, context=self.context, parameter_overrides=overrides)
        self.tester = rclpy.create_node("tester", context=self.context)
        self._clients: dict[str, Any] = {}
        self.received: dict[str, list[Any]] = defaultdict(list)
        self.images = self.tester.create_publisher(Image, "image", qos_profile_sensor_data)
        self.compressed = self.tester.create_publisher(CompressedImage, "image/compressed", qos_profile_sensor_data)
        self.instructions = self.tester.create_publisher(String, "instruction", QoSProfile(depth=10))
        self.standing = self.tester.create_publisher(Instruction, "instructions", QoSProfile(depth=10))
        self._eyes: dict[str, Any] = {"": self.images}
        for name in parameters.get("cameras", ()):
            if name:
                self._eyes[name] = self.tester.create_publisher(Image, f"{name}/image", qos_profile_sensor_data)
        self.listen(DiagnosticArray, "/diagnostics")
        # Made before anything spins: an action client joins its node before it is whole.
        self.action = ActionClient(self.tester, Perceive, "/instructseq/perceive")
        self.executors = [
            HandingExecutor(EXECUTOR_THREADS, context=self.context),
            SingleThreadedExecutor(context=self.context),
        ]
        self._stopped = threading.Event()
        self._threads = []
        for executor, node in zip(self.executors, (self.node, self.tester), strict=True):
            executor.add_node(node)
            self._threads.append(threading.Thread(target=self._spin, args=(executor,)))
        for thread in self._threads:
            thread.start()

    def _spin(self, executor: Any) -> None:
        from instructseq_ros.spinning import spin_once

        while not self._stopped.is_set():
            spin_once(executor, 0.05)

    def listen(self, kind: Any, topic: str, **qos: Any) -> list[Any]:
        """Subscribe, and wait until the node's publisher knows."""
        from rclpy.qos import QoSProfile

        before = self.tester.count_subscribers(topic)
        self.tester.create_subscription(kind, topic, self.received[topic].append, QoSProfile(depth=50, **qos))
        assert eventually(lambda: self.tester.count_subscribers(topic) > before)
        return self.received[topic]

    def listen_to_all(self) -> None:
        """Subscribe to every output but the label info."""
        from sensor_msgs.msg import Image
        from std_msgs.msg import String
        from vision_msgs.msg import Detection2DArray

        from instructseq.msg import Perception

        kinds = {
            "mask": Image,
            "confidence": Image,
            "overlay": Image,
            "detections": Detection2DArray,
            "caption": String,
            "perception": Perception,
        }
        for topic, kind in kinds.items():
            self.listen(kind, f"/instructseq/{topic}")
        wanted = [f"/instructseq/{topic}" for topic in kinds]
        assert eventually(lambda: all(self.node.count_subscribers(topic) for topic in wanted))

    def wait_until_active(self) -> None:
        """Wait until the node takes images and the tester's publishers have found it."""
        eyes = [*(eye for name, eye in self._eyes.items() if name), self.images, self.compressed]
        wanted = max(len(self._eyes) - 1, 1)
        assert eventually(
            lambda: (
                sum(eye.get_subscription_count() > 0 for eye in eyes) >= wanted
                and self.instructions.get_subscription_count() > 0
                and self.standing.get_subscription_count() > 0
            )
        )

    def say(self, text: str) -> None:
        """Give an instruction."""
        from std_msgs.msg import String

        self.instructions.publish(String(data=text))

    def stand(self, id: str, text: str, **fields: Any) -> None:
        """Let an instruction stand."""
        from instructseq.msg import Instruction

        self.standing.publish(Instruction(id=id, text=text, **fields))

    def eye(self, camera: str) -> Any:
        """The publisher of a camera's images."""
        return self._eyes[camera]

    def show(
        self,
        image: NDArray[np.uint8],
        *,
        stamp: float = 1,
        encoding: str = "rgb8",
        padding: int = 0,
        camera: str = "",
    ) -> Any:
        """Publish an image of a camera; the stamp is in seconds."""
        message = image_message(image, stamp=stamp, encoding=encoding, padding=padding)
        if camera:
            message.header.frame_id = f"{camera}_optical_frame"
        self._eyes[camera].publish(message)
        return message

    def set_parameters(self, **values: Any) -> list[Any]:
        """Set parameters through the node's service, as another process would."""
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        return list(self.call(SetParameters, "set_parameters", SetParameters.Request(parameters=parameters)).results)

    def change_state(self, label: str) -> bool:
        """Ask for a lifecycle transition."""
        from lifecycle_msgs.srv import ChangeState

        request = ChangeState.Request()
        request.transition.label = label
        return bool(self.call(ChangeState, "change_state", request).success)

    def state(self) -> str:
        """Label of the lifecycle state."""
        from lifecycle_msgs.srv import GetState

        return str(self.call(GetState, "get_state", GetState.Request()).current_state.label)

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """Call a service of the node and wait for its answer."""
        if name not in self._clients:
            self._clients[name] = self.tester.create_client(kind, f"/instructseq/{name}")
        assert self._clients[name].wait_for_service(SOON)
        future = self._clients[name].call_async(request)
        assert eventually(future.done), f"{name} did not answer"
        return future.result()

    def close(self) -> None:
        """Stop in the order that rclpy needs."""
        self.node.stop()
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        for executor in self.executors:
            executor.shutdown()
        self.node.destroy_node()
        self.tester.destroy_node()
        self.context.try_shutdown()


def image_message(image: NDArray[np.uint8], *, stamp: float = 1, encoding: str = "rgb8", padding: int = 0) -> Any:
    """A sensor_msgs/Image in the camera's frame, with `padding` bytes after each row."""
    from sensor_msgs.msg import Image

    rows = np.pad(image.reshape(image.shape[0], -1), ((0, 0), (0, padding)), constant_values=77)
    message = Image(height=image.shape[0], width=image.shape[1], encoding=encoding, step=rows.shape[1])
    message.data = array.array("B", rows.tobytes())
    message.header.stamp.sec = int(stamp)
    message.header.stamp.nanosec = round(stamp % 1 * 1e9)
    message.header.frame_id = "camera_optical_frame"
    return message


@pytest.fixture
def perceiver() -> ColourPerceiver:
    return ColourPerceiver()


@pytest.fixture
def make_robot(perceiver: ColourPerceiver) -> Iterator[Callable[..., Robot]]:
    """Makes a robot with the stand-in, or with another function that loads a model; parameters by name."""
    with contextlib.ExitStack() as stack:

        def make(load: Any = None, *, active: bool = True, **parameters: Any) -> Robot:
            robot = Robot(load or perceiver, parameters)
            stack.callback(robot.close)
            stack.callback(perceiver.gate.set)
            if active:
                robot.wait_until_active()
            return robot

        yield make
