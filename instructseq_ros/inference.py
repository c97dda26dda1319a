"""One frame and one request in, one answer out: the work of the worker's thread. Nothing here imports ROS."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from instructseq_model.checkpoint_folders import DEFAULT, find_checkpoint
from instructseq_model.errors import InstructSeqError
from instructseq_model.perception import Perception, Task
from instructseq_ros.compressed_image import compressed_to_rgb
from instructseq_ros.image_conversion import RGB, image_to_rgb
from instructseq_ros.instruction_text import clean_instruction
from instructseq_ros.parameters import Settings

Report = Callable[[str, float], None]
"""Takes a stage and the share of the whole work that is done, in [0, 1]; what it raises ends the work."""

# The model's own stages: their name in feedback, and the part of the whole work that each one is.
_STAGES = {"encode": ("encoding", 0.0, 0.1), "decode": ("decoding", 0.1, 0.95)}


class PerceiverLike(Protocol):
    """What the node needs of `instructseq_model.perceiver.Perceiver`."""

    def __call__(
        self,
        image: RGB,
        instruction: str,
        *,
        samples: int = 1,
        temperature: float | None = None,
        seed: int | None = None,
        label_set: str | None = None,
        task: Task | None = None,
        stream: Hashable = None,
        progress: Report | None = None,
    ) -> Perception:
        """Carry out one instruction on one image."""
        ...


@dataclass(frozen=True, kw_only=True)
class Frame:
    """An image message with the moment it came.

    Attributes:
        message: a sensor_msgs/Image, or a CompressedImage if `compressed`.
        arrived: seconds of the monotonic clock.
    """

    message: Any
    compressed: bool
    arrived: float


@dataclass(frozen=True, kw_only=True)
class Request:
    """One instruction and how to carry it out.

    Attributes:
        number: counts the instructions since the node was configured, from 1.
        temperature, label_set, task: None leaves the choice to the model.
    """

    number: int
    instruction: str
    samples: int
    temperature: float | None
    seed: int
    label_set: str | None
    task: Task | None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model said, and what is needed to publish it.

    Attributes:
        header: the source frame's, as it came.
        image: the source image, H x W x 3 uint8, RGB.
        convert_seconds: from the message to RGB pixels.
        total_seconds: from taking up the frame to the answer.
    """

    request: Request
    header: Any
    image: RGB
    perception: Perception
    convert_seconds: float
    total_seconds: float


def load_perceiver(settings: Settings) -> PerceiverLike:
    """The model that the settings name.

    Raises:
        InstructSeqError: the checkpoint cannot be loaded; the message says what to do.
    """
    from instructseq_model.perceiver import Perceiver  # takes seconds, during which the node's services answer

    folder = find_checkpoint(settings.checkpoint or DEFAULT)
    return Perceiver.load(
        folder, device=settings.device, threads=settings.threads or None, backend=settings.backend or None
    )


def standing_request(instruction: str, number: int, settings: Settings) -> Request:
    """The request that an instruction on the topic, or the parameter, stands for."""
    return Request(
        number=number,
        instruction=instruction,
        samples=settings.samples,
        temperature=settings.temperature or None,
        seed=secrets.randbelow(2**31) if settings.seed < 0 else settings.seed,
        label_set=settings.label_set or None,
        task=None,
    )


def goal_request(goal: Any, number: int, settings: Settings) -> Request:
    """The request that a goal of ~/perceive stands for; its zeros and empty texts take the node's parameters.

    Args:
        goal: an instructseq/action/Perceive.Goal.
        number: counts instructions.
        settings: the node's parameters.

    Raises:
        InstructSeqError: the instruction is empty, too long or not text, or another field is out of its range.
    """
    instruction = clean_instruction(goal.instruction)
    if not instruction:
        raise InstructSeqError("the goal has no instruction: say what to do, for example 'mark the red mug'")
    if goal.samples > 32:
        raise InstructSeqError(f"samples must be between 1 and 32, or 0 for the node's parameter, got {goal.samples}")
    if not 0 <= goal.temperature <= 2:
        raise InstructSeqError(f"temperature must be between 0 and 2, got {goal.temperature}")
    standing = standing_request(instruction, number, settings)
    return Request(
        number=number,
        instruction=instruction,
        samples=goal.samples or standing.samples,
        temperature=goal.temperature or standing.temperature,
        seed=standing.seed,
        label_set=goal.label_set or standing.label_set,
        task=_task(goal.task),
    )


def _task(name: str) -> Task | None:
    if not name:
        return None
    try:
        return Task(name)
    except ValueError:
        known = ", ".join(task.value for task in Task)
        raise InstructSeqError(f"there is no task {name!r}: use one of {known}, or leave it empty") from None


def carry_out(
    perceiver: PerceiverLike,
    frame: Frame,
    request: Request,
    *,
    max_pixels: int,
    report: Report = lambda stage, progress: None,
) -> Answer:
    """Convert the frame and ask the model.

    Args:
        perceiver: the model.
        frame: the image as it came.
        request: what to do.
        max_pixels: larger images are refused.
        report: told how far the work is.

    Raises:
        InstructSeqError: the image or the instruction cannot be used.
    """
    start = time.perf_counter()
    image = _to_rgb(frame, max_pixels=max_pixels)
    converted = time.perf_counter()
    report("encoding", 0.0)
    perception = perceiver(
        image,
        request.instruction,
        samples=request.samples,
        temperature=request.temperature,
        seed=request.seed,
        label_set=request.label_set,
        task=request.task,
        stream=frame.message.header.frame_id,
        progress=lambda stage, share: _pass_on(report, stage, share),
    )
    return Answer(
        request=request,
        header=frame.message.header,
        image=image,
        perception=perception,
        convert_seconds=converted - start,
        total_seconds=time.perf_counter() - start,
    )


def _pass_on(report: Report, stage: str, share: float) -> None:
    """Turn the share of a stage into the share of the whole; what follows the last token is aggregation."""
    name, start, end = _STAGES.get(stage, (stage, 0.0, 1.0))
    report("aggregating" if stage == "decode" and share >= 1.0 else name, start + share * (end - start))


def _to_rgb(frame: Frame, *, max_pixels: int) -> RGB:
    if frame.compressed:
        return compressed_to_rgb(frame.message.data, image_format=frame.message.format, max_pixels=max_pixels)
    return image_to_rgb(frame.message, max_pixels=max_pixels)
