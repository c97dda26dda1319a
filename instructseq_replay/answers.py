"""Answers as ROS messages without ROS: a perception as the bytes of an instructseq/msg/Perception, and back.

The bytes are those that the node would publish, but for the times of its stages, which stay 0: what is kept of an
answer depends on the frame, the instruction and the model alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys.store import Typestore

from instructseq_model.perception import Perception
from instructseq_model.vocabulary import OutputKind
from instructseq_replay.bags.types import blank
from instructseq_replay.frames import Header
from instructseq_ros.image_conversion import image_fields
from instructseq_ros.received_answers import perception_of

PERCEPTION_TYPE = "instructseq/msg/Perception"
REFERRED = 255
"""Value of the referred object's pixels in a mask message."""


def encode_answer(types: Typestore, perception: Perception, header: Header, *, number: int, standing_id: str) -> bytes:
    """An answer as the bytes of an instructseq/msg/Perception.

    Args:
        types: knows the message types of vision_msgs and instructseq.
        perception: the answer.
        header: the source frame's.
        number: the instruction's, from 1.
        standing_id: the instruction's id.
    """
    stamp = header_message(types, header)
    fields: dict[str, Any] = {
        "header": stamp,
        "instruction_id": number,
        "standing_id": standing_id,
        "instruction": perception.instruction,
        "output_kind": perception.kind.value,
        "task": perception.task.value,
        "caption": perception.caption or "",
        "score": float(perception.score),
        "samples": perception.samples,
    }
    if perception.kind is OutputKind.MAP and perception.mask is not None:
        fields["mask"] = _mask_message(types, perception, stamp)
        if perception.confidence is not None:
            fields["confidence"] = _image(types, perception.confidence.astype(np.float32, copy=False), "32FC1", stamp)
    if perception.kind is OutputKind.BOXES:
        fields["detections"] = _detections(types, perception, stamp, standing_id)
    if perception.label_set is not None:
        names = (*perception.label_set.names, "unlabelled")
        kind = "vision_msgs/msg/VisionClass"
        classes = [blank(types, kind, class_id=at, class_name=name) for at, name in enumerate(names)]
        fields["label_info"] = blank(types, "vision_msgs/msg/LabelInfo", header=stamp, class_map=classes)
    return bytes(types.serialize_cdr(blank(types, PERCEPTION_TYPE, **fields), PERCEPTION_TYPE))


def decode_answer(types: Typestore, data: bytes) -> tuple[Any, Perception]:
    """The message, and the perception in it; masks of a referred object become 0 and 1.

    The size of the source image is that of the map; it is (0, 0) for boxes and text.
    """
    message: Any = types.deserialize_cdr(data, PERCEPTION_TYPE)
    return message, perception_of(message, (message.mask.width, message.mask.height))


def header_message(types: Typestore, header: Header) -> Any:
    """A std_msgs/Header."""
    seconds, nanoseconds = divmod(header.stamp_ns, 10**9)
    stamp = blank(types, "builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
    return blank(types, "std_msgs/msg/Header", stamp=stamp, frame_id=header.frame_id)


def _mask_message(types: Typestore, perception: Perception, stamp: Any) -> Any:
    mask: NDArray[Any] = np.asarray(perception.mask)  # H x W
    if perception.label_set is None:
        return _image(types, (mask != 0).astype(np.uint8) * np.uint8(REFERRED), "mono8", stamp)
    if perception.label_set.unlabelled < 256:
        return _image(types, mask.astype(np.uint8, copy=False), "8UC1", stamp)
    return _image(types, mask.astype(np.uint16, copy=False), "16UC1", stamp)


def _image(types: Typestore, pixels: NDArray[Any], encoding: str, stamp: Any) -> Any:
    fields = image_fields(pixels, encoding)
    fields["data"] = np.frombuffer(fields["data"], np.uint8)
    return blank(types, "sensor_msgs/msg/Image", header=stamp, **fields)


def _detections(types: Typestore, perception: Perception, stamp: Any, standing_id: str) -> Any:
    found = []
    for box in perception.boxes:
        x, y = float((box.x1 + box.x2) / 2), float((box.y1 + box.y2) / 2)
        centre = blank(types, "vision_msgs/msg/Pose2D", position=blank(types, "vision_msgs/msg/Point2D", x=x, y=y))
        sizes = {"size_x": float(box.x2 - box.x1), "size_y": float(box.y2 - box.y1)}
        bounds = blank(types, "vision_msgs/msg/BoundingBox2D", center=centre, **sizes)
        named = {"class_id": perception.instruction, "score": float(box.score)}
        hypothesis = blank(types, "vision_msgs/msg/ObjectHypothesis", **named)
        result = blank(types, "vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=hypothesis)
        fields = {"header": stamp, "results": [result], "bbox": bounds, "id": standing_id}
        found.append(blank(types, "vision_msgs/msg/Detection2D", **fields))
    return blank(types, "vision_msgs/msg/Detection2DArray", header=stamp, detections=found)
