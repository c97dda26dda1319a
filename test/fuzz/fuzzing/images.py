"""sensor_msgs/Image: any size, encoding, step, byte order and amount of data."""

from __future__ import annotations

import array
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from instructseq_ros.image_conversion import LAYOUTS, image_to_rgb

from .mutation import EXTREMES, text

MAX_PIXELS = 5000
"""Small, so that both sides of the limit are met."""

OTHERS = ("", "8UC4", "32FC1", "rgb16", "yuv420", "nv12", "RGB8", "rgb8\0", "mono8; jpeg")


@dataclass
class Message:
    """The fields of the message that hold pixels."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


def make(random: Random) -> Message:
    """A message, right in most fields."""
    encoding = random.choice((*LAYOUTS, *OTHERS)) if random.random() < 0.95 else text(random, longest=40)
    width, height = (_side(random) for _ in range(2))
    layout = LAYOUTS.get(encoding)
    row = width * (layout.channels * layout.item_bytes if layout else random.choice((1, 3, 8)))
    step = row if random.random() < 0.6 else random.choice((row + 1, row + 64, max(row - 1, 0), *EXTREMES))
    size = step * height if random.random() < 0.7 else random.choice((0, 1, step, step * height + 1, step * height - 1))
    size = min(max(size, 0), 1 << 16)
    data = random.randbytes(size)
    return Message(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=random.choice((0, 0, 1, 255)),
        step=step,
        data=array.array("B", data) if random.random() < 0.5 else data,
    )


def feed(message: Message) -> None:
    """What is taken has the declared size."""
    rgb = image_to_rgb(message, max_pixels=MAX_PIXELS)
    assert rgb.shape == (message.height, message.width, 3)
    assert rgb.dtype == np.uint8
    assert rgb.flags["C_CONTIGUOUS"]


def _side(random: Random) -> int:
    return random.randint(0, 70) if random.random() < 0.9 else random.choice(EXTREMES)
