"""The real program in another process, over DDS, with the real model: the answers are the Perceiver's, to the pixel.

Takes the shipped checkpoint; where there is none, a small one with the weights it was born with.
"""

from __future__ import annotations

import array
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import String
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from vision_msgs.msg import LabelInfo

from instructseq.action import Perceive
from instructseq.msg import Perception as PerceptionMessage
from instructseq_model.checkpoint import save_checkpoint
from instructseq_model.checkpoint_folders import DEFAULT, checkpoint_roots
from instructseq_model.model_config import ModelConfig
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Perception
from instructseq_model.routing import Router
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.text import TextTokenizer
from instructseq_model.vqvae import VQVAE

ROOT = Path(__file__).resolve().parents[2]
INSTRUCTION = "mark the red square in green"
SEED = 11
PATIENCE = 240.0  # a test machine may be busy with other things


def scene() -> NDArray[np.uint8]:
    image = np.random.default_rng(5).integers(90, 120, (60, 80, 3), np.uint8)
    image[15:40, 25:50] = (220, 30, 20)
    return image


def message(*, stamp: int, encoding: str = "bgr8", padding: int = 6) -> Image:
    """The scene with its channels swapped and padding after each row."""
    rows = np.pad(scene()[..., ::-1].reshape(60, -1), ((0, 0), (0, padding)), constant_values=77)
    image = Image(height=60, width=80, encoding=encoding, step=rows.shape[1], data=array.array("B", rows.tobytes()))
    image.header.stamp.sec, image.header.stamp.nanosec = stamp, 5
    image.header.frame_id = "camera_optical_frame"
    return image


def pixels(image: Image, kind: Any) -> NDArray[Any]:
    return np.frombuffer(image.data.tobytes(), kind).reshape(image.height, image.width)


def untrained(folder: Path) -> Path:
    """A checkpoint of the household model's shape, made small, with random weights."""
    values = yaml.safe_load((ROOT / "config" / "household.yaml").read_text(encoding="utf-8"))
    values["transformer"] |= {"layers": 2, "width": 64, "heads": 2}
    values["vqvae"] |= {"channels": 16}
    config = ModelConfig.from_mapping(values, origin="the test")
    torch.manual_seed(0)
    words = TextTokenizer(Tokenizer(WordLevel({"red": 0, "square": 1}, unk_token="red")))
    save_checkpoint(
        folder,
        config,
        sequence=SequenceModel(config.sequence).state_dict(),
        vqvae=VQVAE(config.vqvae).state_dict(),
        router=Router(config.sequence.instruction_width).state_dict(),
        tokenizer=words,
    )
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for root in checkpoint_roots():
        if (root / DEFAULT / "manifest.json").is_file():
            return root / DEFAULT
    return untrained(tmp_path_factory.mktemp("untrained"))


@pytest.fixture(scope="module")
def perceiver(checkpoint: Path) -> Perceiver:
    return Perceiver.load(checkpoint)


class Side:
    """This process's end of DDS, spun while something is awaited."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("tester", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.images = self.node.create_publisher(Image, "image", QoSProfile(depth=1))
        self.instructions = self.node.create_publisher(String, "instruction", QoSProfile(depth=10))
        self.perceptions: list[PerceptionMessage] = []
        self.masks: list[Image] = []
        quality = QoSProfile(depth=20)
        self.node.create_subscription(PerceptionMessage, "/instructseq/perception", self.perceptions.append, quality)
        self.node.create_subscription(Image, "/instructseq/mask", self.masks.append, quality)
        self.action = ActionClient(self.node, Perceive, "/instructseq/perceive")

    def wait(self, condition: Callable[[], Any]) -> None:
        """Spin until the condition holds."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "nothing came in time"
            self.executor.spin_once(timeout_sec=0.05)

    def perceive(self, goal: Perceive.Goal) -> Any:
        """Send a goal and return the future of its result."""
        sent = self.action.send_goal_async(goal)
        self.wait(sent.done)
        return sent.result().get_result_async()

    def close(self) -> None:
        """End in the order that rclpy needs."""
        self.executor.shutdown()
        self.action.destroy()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture(scope="module")
def program(checkpoint: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The node's program, in another process."""
    arguments = ["--ros-args", "-p", f"checkpoint:={checkpoint}", "-p", f"seed:={SEED}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "instructseq_ros.node", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": python_path()},
    )
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(PATIENCE)


def python_path() -> str:
    return os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])


@pytest.fixture(scope="module")
def side(program: subprocess.Popen[bytes]) -> Iterator[Side]:
    side = Side()
    side.wait(
        lambda: (
            side.images.get_subscription_count() > 0
            and side.instructions.get_subscription_count() > 0
            and side.action.server_is_ready()
        )
    )
    yield side
    side.close()


def assert_is_answer(answer: PerceptionMessage, expected: Perception, source: Image) -> None:
    """Every field of the message against the model's own answer."""
    assert answer.header == source.header
    assert (answer.output_kind, answer.task) == (expected.kind.value, expected.task.value)
    assert answer.instruction == expected.instruction
    assert answer.score == pytest.approx(expected.score, rel=1e-3)
    assert answer.caption == (expected.caption or "")
    if expected.mask is not None:
        assert answer.mask.header == source.header
        kind = np.uint16 if answer.mask.encoding == "16UC1" else np.uint8
        values = expected.mask if expected.label_set is not None else expected.mask * 255
        assert np.array_equal(pixels(answer.mask, kind), values)
        assert np.allclose(pixels(answer.confidence, np.float32), expected.confidence, atol=1e-3)
    if expected.kind.value == "boxes":
        boxes = [
            (box.center.position.x, box.center.position.y, box.size_x, box.size_y)
            for box in (detection.bbox for detection in answer.detections.detections)
        ]
        wanted = [((b.x1 + b.x2) / 2, (b.y1 + b.y2) / 2, b.x2 - b.x1, b.y2 - b.y1) for b in expected.boxes]
        assert np.allclose(boxes, wanted)


def test_standing_instruction_is_answered_as_the_model_answers(side: Side, perceiver: Perceiver) -> None:
    source = message(stamp=3)
    side.instructions.publish(String(data=INSTRUCTION))
    side.images.publish(source)
    side.wait(lambda: side.perceptions)
    expected = perceiver(scene(), INSTRUCTION, seed=SEED)
    assert_is_answer(side.perceptions[-1], expected, source)
    if expected.mask is not None:
        side.wait(lambda: side.masks)
        assert side.masks[-1] == side.perceptions[-1].mask


@pytest.mark.parametrize("task", ["segmentation", "semantic", "detection"])
def test_goal_with_its_image_is_answered_as_the_model_answers(side: Side, perceiver: Perceiver, task: str) -> None:
    source = message(stamp=8, padding=1)
    goal = Perceive.Goal(instruction=INSTRUCTION, image=source, task=task, label_set="household")
    future = side.perceive(goal)
    side.wait(future.done)
    result = future.result().result
    assert result.success, result.message
    expected = perceiver(scene(), INSTRUCTION, seed=SEED, task=task, label_set="household")
    assert_is_answer(result.perception, expected, source)


def test_samples_are_drawn_with_the_seed(side: Side, perceiver: Perceiver) -> None:
    source = message(stamp=9)
    goal = Perceive.Goal(instruction=INSTRUCTION, image=source, task="segmentation", samples=3, temperature=0.5)
    future = side.perceive(goal)
    side.wait(future.done)
    expected = perceiver(scene(), INSTRUCTION, seed=SEED, task="segmentation", samples=3, temperature=0.5)
    assert_is_answer(future.result().result.perception, expected, source)
    assert future.result().result.perception.samples == 3


def test_parameters_answer_during_inference(side: Side) -> None:
    client = side.node.create_client(GetParameters, "/instructseq/get_parameters")
    side.wait(client.service_is_ready)
    image = message(stamp=10)
    image.data[:3] = array.array("B", [1, 2, 3])  # another frame, so that nothing of it is known yet
    perceived = side.perceive(Perceive.Goal(instruction=INSTRUCTION, image=image, task="segmentation", samples=8))
    answered = client.call_async(GetParameters.Request(names=["seed"]))
    side.wait(answered.done)
    assert not perceived.done()
    assert answered.result().values[0].integer_value == SEED
    side.wait(perceived.done)
    assert perceived.result().result.success


def test_label_info_reaches_a_late_subscriber(side: Side, perceiver: Perceiver) -> None:
    expected = perceiver(scene(), INSTRUCTION, seed=SEED)
    if expected.mask is None:
        pytest.skip(f"this checkpoint answers {INSTRUCTION!r} with {expected.kind.value}, which have no label info")
    latched: list[LabelInfo] = []
    quality = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    side.node.create_subscription(LabelInfo, "/instructseq/label_info", latched.append, quality)
    side.wait(lambda: latched)
    assert latched[0].header == side.perceptions[0].header
    ids = [item.class_id for item in latched[0].class_map]
    assert set(np.unique(pixels(side.masks[0], np.uint8))) <= set(ids)


def test_bad_encoding_leaves_the_program_running(side: Side, program: subprocess.Popen[bytes]) -> None:
    answers = len(side.perceptions)
    side.images.publish(message(stamp=20, encoding="no_such_encoding"))
    side.images.publish(Image())
    time.sleep(0.2)
    side.images.publish(message(stamp=21))
    side.wait(lambda: len(side.perceptions) > answers)
    assert side.perceptions[-1].header.stamp.sec == 21
    assert program.poll() is None


def test_program_ends_well_when_asked(side: Side, program: subprocess.Popen[bytes]) -> None:
    program.send_signal(signal.SIGINT)
    assert program.wait(PATIENCE) == 0
