"""An answer as ROS messages: every message carries the source frame's header, every number is in source pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2D, Detection2DArray, LabelInfo, ObjectHypothesisWithPose, VisionClass

from instructseq.msg import Perception as PerceptionMessage
from instructseq_model.errors import ConfigError
from instructseq_model.perception import Box, Perception
from instructseq_model.vocabulary import OutputKind
from instructseq_ros.image_conversion import image_fields
from instructseq_ros.inference import Answer

REFERRED = 255
"""Value of the referred object's pixels in a mask; everything else is 0."""


def image_message(pixels: NDArray[Any], encoding: str, header: Header) -> Image:
    """Pixels as a sensor_msgs/Image; `image_conversion.image_fields` says which encodings there are."""
    return Image(header=header, **image_fields(pixels, encoding))


def mask_message(perception: Perception, header: Header, *, encoding: str = "auto") -> Image:
    """The mask of a map.

    Args:
        perception: its mask is not None.
        header: the source frame's.
        encoding: auto, mono8, 8UC1 or 16UC1.

    Returns:
        For a referred object 255 and 0, for a semantic map class ids with the highest one for unlabelled.

    Raises:
        ConfigError: the class ids do not fit into 8 bits, and `encoding` allows no more.
    """
    assert perception.mask is not None
    if perception.label_set is None:
        values = (perception.mask != 0).astype(np.uint8) * np.uint8(REFERRED)  # H x W
        chosen = "mono8" if encoding == "auto" else encoding
    else:
        values = perception.mask  # H x W
        highest = perception.label_set.unlabelled
        chosen = ("8UC1" if highest < 256 else "16UC1") if encoding == "auto" else encoding
        if highest > 255 and chosen != "16UC1":
            raise ConfigError(
                f"class ids up to {highest} do not fit into {chosen}: set the parameter mask_encoding to auto or 16UC1"
            )
    return image_message(values.astype(np.uint16 if chosen == "16UC1" else np.uint8, copy=False), chosen, header)


def detections_message(perception: Perception, header: Header, *, standing_id: str = "") -> Detection2DArray:
    """The boxes: centre and size in source pixels, the instruction as class id, the score in [0, 1].

    Args:
        perception: with its boxes.
        header: the source frame's.
        standing_id: of the instruction; it is the id of each detection, by which consecutive frames go together.
    """
    detections = [_detection(box, perception.instruction, header) for box in perception.boxes]
    for detection in detections:
        detection.id = standing_id
    return Detection2DArray(header=header, detections=detections)


def _detection(box: Box, class_id: str, header: Header) -> Detection2D:
    detection = Detection2D(header=header)
    detection.bbox.center.position.x = (box.x1 + box.x2) / 2
    detection.bbox.center.position.y = (box.y1 + box.y2) / 2
    detection.bbox.size_x = float(box.x2 - box.x1)
    detection.bbox.size_y = float(box.y2 - box.y1)
    result = ObjectHypothesisWithPose()
    result.hypothesis.class_id = class_id
    result.hypothesis.score = float(box.score)
    detection.results = [result]
    return detection


def class_names(perception: Perception) -> tuple[tuple[int, str], ...]:
    """The ids that a mask of this kind may hold, with their names."""
    if perception.label_set is None:
        return ((0, "background"), (REFERRED, "referred object"))
    return (*enumerate(perception.label_set.names), (perception.label_set.unlabelled, "unlabelled"))


def label_info_message(classes: tuple[tuple[int, str], ...], header: Header) -> LabelInfo:
    """Ids and names as a vision_msgs/LabelInfo; nothing is thresholded."""
    return LabelInfo(header=header, class_map=[VisionClass(class_id=at, class_name=name) for at, name in classes])


def perception_message(answer: Answer) -> PerceptionMessage:
    """All of an answer in one message."""
    perception, header = answer.perception, answer.header
    message = PerceptionMessage(
        header=header,
        instruction_id=answer.request.number,
        standing_id=answer.request.standing_id,
        camera=answer.camera,
        instruction=perception.instruction,
        output_kind=perception.kind.value,
        task=perception.task.value,
        caption=perception.caption or "",
        score=float(perception.score),
        samples=perception.samples,
        convert_seconds=answer.convert_seconds,
        encode_seconds=float(perception.timings.get("encode", 0.0)),
        decode_seconds=float(perception.timings.get("decode", 0.0)),
        aggregate_seconds=float(perception.timings.get("aggregate", 0.0)),
        total_seconds=answer.total_seconds,
    )
    if perception.kind is OutputKind.MAP and perception.mask is not None:
        message.mask = mask_message(perception, header)
        if perception.confidence is not None:
            message.confidence = image_message(perception.confidence, "32FC1", header)
    if perception.kind is OutputKind.BOXES:
        message.detections = detections_message(perception, header, standing_id=answer.request.standing_id)
    if perception.label_set is not None:
        message.label_info = label_info_message(class_names(perception), header)
    return message


def caption_message(perception: Perception) -> String:
    """The caption; std_msgs/String has no header."""
    return String(data=perception.caption or "")
