"""Answers as a bag to be played beside the source: every message at the time of its frame, with the frame's header."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rosbags.typesys.store import Typestore

from instructseq_model.vocabulary import OutputKind
from instructseq_replay.answers import PERCEPTION_TYPE, decode_answer
from instructseq_replay.bags.damage import Message
from instructseq_replay.bags.writing import BagWriter
from instructseq_replay.records import FrameRecord

ROOT = "/instructseq"


class ResultsBag:
    """Writes the answers of one bag; a context manager.

    The topics are those of the node, with the instruction's id between: /instructseq/<id>/perception, mask,
    confidence, detections, caption and label_info. Where the bag has several cameras, the camera's topic stands behind
    the id.

    Args:
        folder: of the new bag; an older one is replaced.
        types: message types.
        several_cameras: whether the source has more than one.
    """

    def __init__(self, folder: Path, *, types: Typestore, several_cameras: bool) -> None:
        self._types = types
        self._several = several_cameras
        self._writer = BagWriter(folder, types=types, compress=True)
        self._labels: dict[str, bytes] = {}

    def __enter__(self) -> ResultsBag:
        self._writer.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)

    def write(self, record: FrameRecord) -> None:
        """Write the answers of a frame; frames must come in the order of their time."""
        for name, answer in record.answers.items():
            if not answer.data:
                continue
            prefix = f"{ROOT}/{name}{record.key.topic if self._several else ''}"
            for output, kind, data in self._messages(prefix, answer.data):
                topic = f"{prefix}/{output}"
                self._writer.write(Message(topic=topic, type_name=kind, log_ns=record.key.log_ns, data=data))

    def _messages(self, prefix: str, data: bytes) -> Iterator[tuple[str, str, bytes]]:
        """The outputs of an answer, with their types; label_info only when it changes."""
        yield "perception", PERCEPTION_TYPE, data
        message, perception = decode_answer(self._types, data)
        if perception.kind is OutputKind.MAP:
            yield self._part("mask", "sensor_msgs/msg/Image", message.mask)
            if perception.confidence is not None:
                yield self._part("confidence", "sensor_msgs/msg/Image", message.confidence)
        elif perception.kind is OutputKind.BOXES:
            yield self._part("detections", "vision_msgs/msg/Detection2DArray", message.detections)
        else:
            text = self._types.types["std_msgs/msg/String"](data=message.caption)
            yield self._part("caption", "std_msgs/msg/String", text)
        if perception.label_set is not None:
            labels = self._part("label_info", "vision_msgs/msg/LabelInfo", message.label_info)
            names = str([entry.class_name for entry in message.label_info.class_map]).encode()
            if self._labels.get(prefix) != names:
                self._labels[prefix] = names
                yield labels

    def _part(self, output: str, kind: str, message: Any) -> tuple[str, str, bytes]:
        return output, kind, bytes(self._types.serialize_cdr(message, kind))
