"""Answers as they come out of the node's messages, whatever read these: rclpy, or a bag library. Imports no ROS."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_model.label_sets import LabelSet
from instructseq_model.palette import NAMED_COLOURS
from instructseq_model.perception import Box, Perception, Task
from instructseq_model.vocabulary import OutputKind

_PIXELS = {"mono8": np.uint8, "8UC1": np.uint8, "16UC1": np.uint16, "32FC1": np.float32}
_STAGES = ("convert", "encode", "decode", "aggregate", "total")


def perception_of(message: Any, size_wh: tuple[int, int]) -> Perception:
    """A message instructseq/msg/Perception as a perception; masks of a referred object become 0 and 1.

    Args:
        message: the message.
        size_wh: width and height of the source image, pixels.
    """
    label_set = _label_set(message) if message.task == Task.SEMANTIC.value else None
    mask = pixels_of(message.mask)
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
        boxes=tuple(_box(detection) for detection in message.detections.detections),
        caption=message.caption if message.output_kind == OutputKind.TEXT.value else None,
        confidence=pixels_of(message.confidence),
        score=float(message.score),
        samples=int(message.samples),
        timings={stage: float(getattr(message, f"{stage}_seconds")) for stage in _STAGES},
    )


def pixels_of(image: Any) -> NDArray[Any] | None:
    """H x W values of a sensor_msgs/Image of one channel, as masks and confidence have; None for one without pixels."""
    if image.width == 0:
        return None
    kind = np.dtype(_PIXELS[image.encoding]).newbyteorder(">" if image.is_bigendian else "<")
    rows = np.frombuffer(bytes(image.data), np.uint8).reshape(image.height, image.step)  # H x step
    return np.ascontiguousarray(rows[:, : image.width * kind.itemsize]).view(kind).astype(kind.newbyteorder("="))


def _label_set(message: Any) -> LabelSet:
    """The label set of a semantic mask; the message's last entry names the unlabelled pixels."""
    return LabelSet("label_info", tuple(entry.class_name for entry in message.label_info.class_map)[:-1])


def _box(detection: Any) -> Box:
    centre, box = detection.bbox.center.position, detection.bbox
    return Box(
        x1=centre.x - box.size_x / 2,
        y1=centre.y - box.size_y / 2,
        x2=centre.x + box.size_x / 2,
        y2=centre.y + box.size_y / 2,
        score=float(detection.results[0].hypothesis.score) if detection.results else 0.0,
    )


def _painted(mask: NDArray[Any], instruction: str) -> NDArray[np.uint8] | None:
    """The mask in the colour that ends the instruction ("... in green."), None if its last word is no colour."""
    words = instruction.lower().strip(" .,;:!?").split()
    if not words or words[-1] not in NAMED_COLOURS:
        return None
    return (mask[..., None] > 0).astype(np.uint8) * np.array(NAMED_COLOURS[words[-1]], np.uint8)  # H x W x 3
