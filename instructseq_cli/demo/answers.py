"""Answers as they arrive from the node, turned back into perceptions that can be drawn and scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_cli.demo.frames import Frame
from instructseq_cli.demo.plan import Act, Ask
from instructseq_model.palette import NAMED_COLOURS, LabelSet
from instructseq_model.perception import Box, Perception, Task
from instructseq_model.vocabulary import OutputKind

_MASK_TYPES = {"mono8": np.uint8, "8UC1": np.uint8, "16UC1": np.uint16}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer of the node.

    Attributes:
        act: the input it belongs to.
        ask: the instruction.
        frame: the picture it was computed from, found by the stamp in its header.
        stamp: that stamp, seconds and nanoseconds.
        perception: the answer.
        latency: seconds from sending the picture to having the answer.
    """

    act: Act
    ask: Ask
    frame: Frame
    stamp: tuple[int, int]
    perception: Perception
    latency: float


def perception_of(message: Any, size_wh: tuple[int, int]) -> Perception:
    """A message `instructseq/msg/Perception` as a perception; masks of a referred object become 0 and 1.

    Args:
        message: the message.
        size_wh: width and height of the picture it was computed from, pixels.
    """
    label_set = _label_set(message) if message.task == Task.SEMANTIC.value else None
    mask = _mask_of(message.mask)
    if mask is not None and label_set is None:
        mask = (mask > 0).astype(np.uint8)
    return Perception(
        kind=OutputKind(message.output_kind),
        task=Task(message.task),
        instruction=message.instruction,
        size_wh=size_wh,
        mask=mask,
        label_set=label_set,
        colour_map=_painted(mask, message.instruction) if mask is not None and label_set is None else None,
        boxes=tuple(_box_of(detection) for detection in message.detections.detections),
        caption=message.caption if message.output_kind == OutputKind.TEXT.value else None,
        confidence=_confidence_of(message.confidence),
        score=float(message.score),
        samples=int(message.samples),
        timings={
            stage: float(getattr(message, f"{stage}_seconds"))
            for stage in ("convert", "encode", "decode", "aggregate", "total")
        },
    )


def with_confidence(answer: Answer, images: Mapping[tuple[int, int], Any]) -> Answer:
    """An answer of boxes with the confidence image of its stamp, which comes on a topic of its own.

    Args:
        answer: any answer; one that has its confidence, or is a text, is given back as it is.
        images: messages sensor_msgs/Image by stamp.
    """
    image = images.get(answer.stamp)
    if image is None or answer.perception.confidence is not None or answer.perception.kind is OutputKind.TEXT:
        return answer
    return replace(answer, perception=replace(answer.perception, confidence=_confidence_of(image)))


def _label_set(message: Any) -> LabelSet:
    """The label set of a semantic mask; the message's last entry names the unlabelled pixels."""
    return LabelSet("label_info", tuple(entry.class_name for entry in message.label_info.class_map)[:-1])


def _mask_of(image: Any) -> NDArray[Any] | None:
    """H x W ids of a sensor_msgs/Image; None for one without pixels."""
    if image.width == 0:
        return None
    kind = np.dtype(_MASK_TYPES[image.encoding]).newbyteorder(">" if image.is_bigendian else "<")
    rows = np.frombuffer(bytes(image.data), np.uint8).reshape(image.height, image.step)  # H x step
    return np.ascontiguousarray(rows[:, : image.width * kind.itemsize]).view(kind).astype(kind.newbyteorder("="))


def _confidence_of(image: Any) -> NDArray[np.float32] | None:
    """H x W of a 32FC1 sensor_msgs/Image; None for one without pixels."""
    if image.width == 0:
        return None
    kind = np.dtype(np.float32).newbyteorder(">" if image.is_bigendian else "<")
    rows = np.frombuffer(bytes(image.data), np.uint8).reshape(image.height, image.step)  # H x step
    return np.ascontiguousarray(rows[:, : image.width * 4]).view(kind).astype(np.float32)


def _box_of(detection: Any) -> Box:
    centre, box = detection.bbox.center.position, detection.bbox
    score = detection.results[0].hypothesis.score if detection.results else 0.0
    return Box(
        x1=centre.x - box.size_x / 2,
        y1=centre.y - box.size_y / 2,
        x2=centre.x + box.size_x / 2,
        y2=centre.y + box.size_y / 2,
        score=float(score),
    )


def _painted(mask: NDArray[Any], instruction: str) -> NDArray[np.uint8] | None:
    """The mask in the colour that ends the instruction ("... in green."), None if its last word is no colour."""
    words = instruction.lower().strip(" .,;:!?").split()
    if not words or words[-1] not in NAMED_COLOURS:
        return None
    return (mask[..., None] > 0).astype(np.uint8) * np.array(NAMED_COLOURS[words[-1]], np.uint8)  # H x W x 3
