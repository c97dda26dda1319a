"""Perceptions as messages, field by field."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

from std_msgs.msg import Header

from instructseq_model.errors import ConfigError
from instructseq_model.palette import LabelSet
from instructseq_model.perception import Perception, Task
from instructseq_model.vocabulary import OutputKind
from instructseq_ros.messages import class_names, label_info_message, mask_message

HEADER = Header(frame_id="camera_optical_frame")


def labels(count: int) -> LabelSet:
    return LabelSet(name="numbers", names=tuple(f"class {index}" for index in range(count)))


def semantic(count: int, ids: Any) -> Perception:
    return Perception(
        kind=OutputKind.MAP,
        task=Task.SEMANTIC,
        instruction="label it",
        size_wh=(2, 2),
        mask=np.array(ids, np.uint16 if count > 255 else np.uint8),
        label_set=labels(count),
    )


def referring() -> Perception:
    return Perception(
        kind=OutputKind.MAP,
        task=Task.SEGMENTATION,
        instruction="mark it",
        size_wh=(2, 2),
        mask=np.array([[0, 1], [1, 0]], np.uint8),
    )


@pytest.mark.parametrize("encoding", ["auto", "mono8", "8UC1", "16UC1"])
def test_referred_object_is_255_in_every_encoding(encoding: str) -> None:
    message = mask_message(referring(), HEADER, encoding=encoding)
    kind = np.uint16 if encoding == "16UC1" else np.uint8
    assert message.encoding == ("mono8" if encoding == "auto" else encoding)
    assert np.frombuffer(message.data.tobytes(), kind).tolist() == [0, 255, 255, 0]
    assert message.header == HEADER


def test_up_to_256_ids_take_one_byte_and_more_take_two() -> None:
    narrow = mask_message(semantic(255, [[0, 1], [254, 255]]), HEADER)
    wide = mask_message(semantic(256, [[0, 1], [255, 256]]), HEADER)
    assert (narrow.encoding, list(narrow.data)) == ("8UC1", [0, 1, 254, 255])
    assert wide.encoding == "16UC1"
    assert np.frombuffer(wide.data.tobytes(), np.uint16).tolist() == [0, 1, 255, 256]


def test_ids_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"up to 256 do not fit into 8UC1.*16UC1"):
        mask_message(semantic(256, [[0, 1], [255, 256]]), HEADER, encoding="8UC1")


def test_label_info_names_every_id_and_the_highest_is_unlabelled() -> None:
    info = label_info_message(class_names(semantic(3, [[0, 1], [2, 3]])), HEADER)
    assert [(item.class_id, item.class_name) for item in info.class_map] == [
        (0, "class 0"),
        (1, "class 1"),
        (2, "class 2"),
        (3, "unlabelled"),
    ]
    assert info.threshold == 0.0
