"""Sound in ROS messages: which types there are, and their samples.

The wheels of ROS 2 on PyPI have no audio_common_msgs, so the types of std_msgs are there beside those of audio_common.
All hold whole samples of signed 16 bits, channels interleaved; rate and channels are parameters of the listener.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_speech.audio import to_recogniser
from instructseq_speech.errors import SpeechError
from instructseq_speech.recogniser import Samples


def _numbers(message: Any) -> NDArray[np.int16]:
    return np.asarray(message.data, np.int16)


def _bytes(message: Any) -> NDArray[np.int16]:
    data = bytes(message.data)
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)


def _stamped_bytes(message: Any) -> NDArray[np.int16]:
    return _bytes(message.audio)


@dataclass(frozen=True)
class AudioType:
    """A message type and how to get at its samples."""

    module: str
    name: str
    samples: Callable[[Any], NDArray[np.int16]]


AUDIO_TYPES = {
    "std_msgs/msg/Int16MultiArray": AudioType("std_msgs.msg", "Int16MultiArray", _numbers),
    "std_msgs/msg/UInt8MultiArray": AudioType("std_msgs.msg", "UInt8MultiArray", _bytes),
    "audio_common_msgs/msg/AudioData": AudioType("audio_common_msgs.msg", "AudioData", _bytes),
    "audio_common_msgs/msg/AudioDataStamped": AudioType("audio_common_msgs.msg", "AudioDataStamped", _stamped_bytes),
}
"""Type of the audio topic -> what it is; bytes are little-endian."""

DEFAULT = "std_msgs/msg/Int16MultiArray"


def audio_type(name: str) -> tuple[Any, AudioType]:
    """The message class of that name, and how to read it.

    Raises:
        SpeechError: there is no such type, or its package is not installed.
    """
    if name not in AUDIO_TYPES:
        raise SpeechError(f"sound of type {name!r} is not understood: use one of {', '.join(AUDIO_TYPES)}")
    kind = AUDIO_TYPES[name]
    try:
        return getattr(importlib.import_module(kind.module), kind.name), kind
    except (ImportError, AttributeError):
        raise SpeechError(
            f"{name} is not installed in this ROS 2 (apt-get install ros-$ROS_DISTRO-audio-common-msgs), "
            f"or use {DEFAULT}"
        ) from None


def message_samples(message: Any, kind: AudioType, *, rate: int, channels: int) -> Samples:
    """The samples of a message as the recognisers take them.

    Args:
        message: of that kind.
        kind: how to read it.
        rate: samples a second, of each channel.
        channels: interleaved, at least 1.
    """
    raw = kind.samples(message)
    return to_recogniser(raw[: len(raw) // channels * channels].reshape(-1, channels), rate=rate)
