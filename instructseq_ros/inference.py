"""One frame and its requests in, answers out: the work of the worker's thread. Nothing here imports ROS."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from instructseq_model.checkpoint_folders import DEFAULT, find_checkpoint
from instructseq_model.errors import InstructSeqError
from instructseq_model.perception import Perception, Task
from instructseq_ros.compressed_image import compressed_to_rgb
from instructseq_ros.image_conversion import RGB, image_to_rgb
from instructseq_ros.instruction_text import clean_instruction
from instructseq_ros.parameters import Settings
from instructseq_ros.standing import Standing

if TYPE_CHECKING:
    from instructseq_model.partial import Partial, Watch
    from instructseq_model.question import Question

Report = Callable[[str, float], None]
"""Takes a stage and the share of the whole work that is done, in [0, 1]; what it raises ends the work."""

# The model's own stages: their name in feedback, and the part of the whole work that each one is.
_STAGES = {"encode": ("encoding", 0.0, 0.1), "decode": ("decoding", 0.1, 0.95)}


class PerceiverLike(Protocol):
    """What the node needs of `instructseq_model.perceiver.Perceiver`."""

    def batch(
        self,
        questions: Sequence[Question],
        *,
        progress: Report | None = None,
        should_stop: Callable[[], bool] | None = None,
        watch: Watch | None = None,
    ) -> list[Perception]:
        """Answer several questions about one image."""
        ...

    def forget(self) -> None:
        """Let go of what is remembered of images and instructions."""
        ...


@dataclass(frozen=True, kw_only=True)
class Frame:
    """An image message with the moment it came.

    Attributes:
        camera: its name; empty for the nameless one and for images sent with a goal.
        message: a sensor_msgs/Image, or a CompressedImage if `compressed`.
        arrived: seconds of the monotonic clock.
    """

    camera: str = ""
    message: Any
    compressed: bool
    arrived: float


@dataclass(frozen=True, kw_only=True)
class Request:
    """One instruction and how to carry it out.

    Attributes:
        number: counts the instructions since the node was configured, from 1.
        standing_id: of a standing instruction; empty for the topic `instruction` and for goals.
        temperature, label_set, task: None leaves the choice to the model.
    """

    number: int
    standing_id: str = ""
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
        camera: whose frame it was; empty for the nameless one and for images sent with a goal.
        header: the source frame's, as it came.
        image: the source image, H x W x 3 uint8, RGB.
        convert_seconds: from the message to RGB pixels.
        total_seconds: from taking up the frame to the answer.
    """

    request: Request
    camera: str
    header: Any
    image: RGB
    perception: Perception
    convert_seconds: float
    total_seconds: float


@dataclass(frozen=True, kw_only=True)
class PartialAnswer:
    """An answer under way.

    Attributes:
        answer: as if it ended here.
        decided: H x W uint8, of maps: what is known at each pixel, as `instructseq_model.partial` names it. None for
            boxes and text.
    """

    answer: Answer
    decided: NDArray[np.uint8] | None


WatchAnswers = Callable[[Callable[[], list[PartialAnswer]]], None]
"""Handed, after each of the decoder's passes, a function that reads the answers under way; reading is what costs."""


def load_perceiver(settings: Settings) -> PerceiverLike:
    """The model that the settings name.

    Raises:
        InstructSeqError: the checkpoint cannot be loaded; the message says what to do.
    """
    from instructseq_model.perceiver import Perceiver  # takes seconds, during which the node's services answer

    folder = find_checkpoint(settings.checkpoint or DEFAULT)
    return Perceiver.load(
        folder,
        device=settings.device,
        threads=settings.threads or None,
        backend=settings.backend or None,
        precision=settings.precision,
    )


def standing_request(standing: Standing, settings: Settings) -> Request:
    """The request that a standing instruction stands for; its zeros take the node's parameters."""
    return Request(
        number=standing.number,
        standing_id=standing.id,
        instruction=standing.text,
        samples=standing.samples or settings.samples,
        temperature=standing.temperature or settings.temperature or None,
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
    check_sampling(goal.samples, goal.temperature)
    standing = Standing(
        id="", number=number, text=instruction, samples=goal.samples, temperature=float(goal.temperature)
    )
    request = standing_request(standing, settings)
    return replace(request, label_set=goal.label_set or request.label_set, task=_task(goal.task))


def check_sampling(samples: int, temperature: float) -> None:
    """Check the numbers of a goal or an instruction.

    Raises:
        InstructSeqError: one is out of its range.
    """
    if samples > 32:
        raise InstructSeqError(f"samples must be between 1 and 32, or 0 for the node's parameter, got {samples}")
    if not 0 <= temperature <= 2:
        raise InstructSeqError(f"temperature must be between 0 and 2, got {temperature}")


def _task(name: str) -> Task | None:
    if not name:
        return None
    try:
        return Task(name)
    except ValueError:
        known = ", ".join(task.value for task in Task)
        raise InstructSeqError(f"there is no task {name!r:.100}: use one of {known}, or leave it empty") from None


def question_of(request: Request, image: RGB, *, stream: Hashable = None) -> Question:
    """What the model is asked.

    Args:
        request: what to do.
        image: H x W x 3 uint8, RGB.
        stream: names the camera whose next frame this is; None for a single image.

    Raises:
        InstructSeqError: the image or the instruction cannot be used.
    """
    from instructseq_model.question import Question

    return Question(
        image=image,
        instruction=request.instruction,
        samples=request.samples,
        temperature=request.temperature,
        seed=request.seed,
        label_set=request.label_set,
        task=request.task,
        stream=stream,
    )


def carry_out(
    perceiver: PerceiverLike,
    frame: Frame,
    requests: Sequence[Request],
    *,
    max_pixels: int,
    report: Report = lambda stage, progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    watch: WatchAnswers | None = None,
) -> list[Answer]:
    """Convert the frame and ask the model; it looks at the image once for all requests.

    Args:
        perceiver: the model.
        frame: the image as it came.
        requests: what to do.
        max_pixels: larger images are refused.
        report: told how far the work is.
        should_stop: asked between the model's passes.
        watch: shown the answers under way between the decoder's passes.

    Raises:
        InstructSeqError: the image or an instruction cannot be used, or the work was stopped.
    """
    start = time.perf_counter()
    image = _to_rgb(frame, max_pixels=max_pixels)
    converted = time.perf_counter()
    report("encoding", 0.0)
    stream = (frame.camera, frame.message.header.frame_id)
    questions = [question_of(request, image, stream=stream) for request in requests]

    def answer(request: Request, perception: Perception) -> Answer:
        return Answer(
            request=request,
            camera=frame.camera,
            header=frame.message.header,
            image=image,
            perception=perception,
            convert_seconds=converted - start,
            total_seconds=time.perf_counter() - start,
        )

    def look(read: Callable[[], Mapping[int, Partial]]) -> list[PartialAnswer]:
        return [
            PartialAnswer(answer=answer(requests[number], partial.perception), decided=partial.decided)
            for number, partial in read().items()
        ]

    perceptions = perceiver.batch(
        questions,
        progress=lambda stage, share: _pass_on(report, stage, share),
        should_stop=should_stop,
        watch=None if watch is None else lambda read: watch(lambda: look(read)),
    )
    return [answer(request, perception) for request, perception in zip(requests, perceptions, strict=True)]


def _pass_on(report: Report, stage: str, share: float) -> None:
    """Turn the share of a stage into the share of the whole; what follows the last token is aggregation."""
    name, start, end = _STAGES.get(stage, (stage, 0.0, 1.0))
    report("aggregating" if stage == "decode" and share >= 1.0 else name, start + share * (end - start))


def _to_rgb(frame: Frame, *, max_pixels: int) -> RGB:
    if frame.compressed:
        return compressed_to_rgb(frame.message.data, image_format=frame.message.format, max_pixels=max_pixels)
    return image_to_rgb(frame.message, max_pixels=max_pixels)
