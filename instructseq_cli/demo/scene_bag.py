"""Frames of a moving camera as a bag, with the truth about every frame beside the pictures."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rosbags.typesys.store import Typestore

from instructseq_cli.demo.frames import CLASSES_TOPIC, IMAGE_TOPIC, INSTANCES_TOPIC, SCENE_TOPIC
from instructseq_replay.bags.damage import Message
from instructseq_replay.bags.types import message_types
from instructseq_replay.bags.writing import BagWriter

CAMERA_FRAME = "camera_optical_frame"
START_NS = 1_700_000_000_000_000_000
"""Stamp of the first frame: fixed, so that the same frames give the same bag."""


SceneFrame = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], dict[str, Any]]
"""What `instructseq_training.scenes.video` gives: pixels H x W x 3, instances H x W, classes H x W, record."""


def write_scene_bag(folder: Path, frames: Iterable[SceneFrame], *, rate_hz: float = 10.0, quality: int = 80) -> int:
    """Write frames as a bag in the mcap format.

    Topics: the pictures as JPEG on /camera/image/compressed; instances and classes as PNG on
    /truth/instances/compressed and /truth/classes/compressed; the objects as JSON on /truth/scene.

    Args:
        folder: the bag's folder; an older bag there is replaced.
        frames: in their order.
        rate_hz: frames a second.
        quality: of the JPEG pictures, 1 to 95.

    Returns:
        How many frames were written.
    """
    types = message_types()
    count = 0
    with BagWriter(folder, types=types, compress=False) as writer:
        for count, (pixels, instances, classes, scene) in enumerate(frames, start=1):
            stamp_ns = START_NS + round((count - 1) * 1e9 / rate_hz)
            pictures = {
                IMAGE_TOPIC: _compressed(pixels, "jpeg", quality=quality),
                INSTANCES_TOPIC: _compressed(instances, "png", optimize=True),
                CLASSES_TOPIC: _compressed(classes, "png", optimize=True),
            }
            for topic, data in pictures.items():
                writer.write(_picture(types, topic, stamp_ns, data, "jpeg" if topic == IMAGE_TOPIC else "png"))
            writer.write(_text(types, SCENE_TOPIC, stamp_ns, scene))
    return count


def _compressed(pixels: NDArray[np.uint8], kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _picture(types: Typestore, topic: str, stamp_ns: int, data: bytes, kind: str) -> Message:
    known = types.types
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    stamp = known["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
    header = known["std_msgs/msg/Header"](stamp=stamp, frame_id=CAMERA_FRAME)
    type_name = "sensor_msgs/msg/CompressedImage"
    message = known[type_name](header=header, format=kind, data=np.frombuffer(data, np.uint8))
    return Message(
        topic=topic, type_name=type_name, log_ns=stamp_ns, data=bytes(types.serialize_cdr(message, type_name))
    )


def _text(types: Typestore, topic: str, stamp_ns: int, content: dict[str, Any]) -> Message:
    type_name = "std_msgs/msg/String"
    message = types.types[type_name](data=json.dumps(content, separators=(",", ":")))
    return Message(
        topic=topic, type_name=type_name, log_ns=stamp_ns, data=bytes(types.serialize_cdr(message, type_name))
    )
