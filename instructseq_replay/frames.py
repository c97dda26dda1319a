"""The frames of a recording, each with a key that does not depend on who reads it, when, or from where on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys.store import Typestore

from instructseq_model.errors import ImageError
from instructseq_replay.bags.bag import ALL_TIME, Bag
from instructseq_replay.bags.damage import Damage, Message
from instructseq_replay.bags.storage import TopicInfo
from instructseq_ros.compressed_image import compressed_to_rgb
from instructseq_ros.image_conversion import MAX_IMAGE_PIXELS, image_to_rgb

RAW_TYPE = "sensor_msgs/msg/Image"
COMPRESSED_TYPE = "sensor_msgs/msg/CompressedImage"
IMAGE_TYPES = (RAW_TYPE, COMPRESSED_TYPE)


class FrameKey(NamedTuple):
    """One frame of one bag; sorts by time.

    Attributes:
        log_ns: when it was recorded, nanoseconds.
        topic: its camera.
        nth: counts frames of this camera that were recorded in the same nanosecond, from 0.
    """

    log_ns: int
    topic: str
    nth: int


@dataclass(frozen=True, kw_only=True)
class Header:
    """The header of a message: its stamp in nanoseconds, and its coordinate frame."""

    stamp_ns: int
    frame_id: str


@dataclass(frozen=True, kw_only=True)
class RecordedFrame:
    """One image message of a recording.

    Attributes:
        key: identifies it.
        message: as it was recorded.
    """

    key: FrameKey
    message: Message

    def decode(self, types: Typestore) -> tuple[Header, NDArray[np.uint8]]:
        """Its header, and its pixels as H x W x 3 uint8, RGB.

        Raises:
            ImageError: the message is damaged, or no image that can be read.
        """
        if self.message.type_name not in IMAGE_TYPES:
            raise ImageError(
                f"{self.message.topic} holds a {self.message.type_name!r:.100} among its images: leave it out"
            )
        image = decode_message(self.message, types)
        return header_of(image), rgb_of(image, self.message.type_name)


def decode_message(message: Message, types: Typestore) -> Any:
    """A message as an object with ROS's field names.

    Raises:
        ImageError: its bytes are damaged.
    """
    try:
        return types.deserialize_cdr(message.data, message.type_name)
    except Exception as error:  # struct, numpy, unicode, index: whatever damaged bytes lead to
        raise ImageError(f"the message on {message.topic} is damaged ({error}): nothing can be read from it") from None


def header_of(message: Any) -> Header:
    """The header of any message that has one."""
    stamp = message.header.stamp
    return Header(stamp_ns=stamp.sec * 10**9 + stamp.nanosec, frame_id=message.header.frame_id)


def rgb_of(image: Any, type_name: str) -> NDArray[np.uint8]:
    """Pixels of an image message of either type, H x W x 3 uint8, RGB.

    Raises:
        ImageError: they cannot be read.
    """
    if type_name == COMPRESSED_TYPE:
        return compressed_to_rgb(image.data, image_format=image.format, max_pixels=MAX_IMAGE_PIXELS)
    return image_to_rgb(image, max_pixels=MAX_IMAGE_PIXELS)


def cameras_of(topics: dict[str, TopicInfo], *, asked: Collection[str], truth: Collection[str]) -> tuple[str, ...]:
    """The image topics to look at.

    Args:
        topics: of a bag.
        asked: only these, where there are any.
        truth: topics that hold truth and are no camera.
    """
    images = sorted(name for name, info in topics.items() if info.type_name in IMAGE_TYPES)
    if asked:
        return tuple(name for name in images if name in asked)
    return tuple(name for name in images if name not in truth)


def frames_of(
    bag: Bag,
    cameras: Collection[str],
    *,
    period_ns: int = 0,
    span: tuple[int, int] = ALL_TIME,
    damage: set[Damage] | None = None,
) -> Iterator[RecordedFrame]:
    """The frames of some cameras.

    Args:
        bag: where they are.
        cameras: image topics.
        period_ns: above 0, of each camera the first frame of each stretch of so many nanoseconds since 1970. A span
            that starts at a multiple of it holds the frames that the whole recording has there.
        span: recorded at the first nanosecond or later, and before the second.
        damage: filled with what could not be read.
    """
    same_time: Counter[tuple[int, str]] = Counter()
    taken: set[tuple[int, str]] = set()
    for message in bag.messages(cameras, span=span, damage=damage):
        moment = (message.log_ns, message.topic)
        nth = same_time[moment]
        same_time[moment] += 1
        if period_ns:
            stretch = (message.log_ns // period_ns, message.topic)
            if stretch in taken:
                continue
            taken.add(stretch)
        yield RecordedFrame(key=FrameKey(message.log_ns, message.topic, nth), message=message)
