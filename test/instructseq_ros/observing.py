"""What the node's tests show a camera and how they look at the answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image


def red(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    values = image.astype(int)
    return np.asarray((values[..., 0] > values[..., 1] + 50) & (values[..., 0] > values[..., 2] + 50))


def scene(*, shift: int = 0) -> NDArray[np.uint8]:
    image = np.random.default_rng(3).integers(90, 110, (48, 64, 3), np.uint8)
    image[10:30, 20 + shift : 40 + shift] = (220, 30, 20)
    return image


def eventually(condition: Callable[[], Any], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


def pixels(message: Image, kind: Any = np.uint8) -> NDArray[Any]:
    return np.frombuffer(message.data.tobytes(), kind).reshape(message.height, message.width)


def status(robot: Any) -> dict[str, str]:
    """The newest diagnostics as a dictionary, with level and message."""
    robot.received["/diagnostics"].clear()
    assert eventually(lambda: robot.received["/diagnostics"])
    newest = robot.received["/diagnostics"][-1].status[0]
    return {
        "level": str(newest.level[0]),
        "message": newest.message,
        **{item.key: item.value for item in newest.values},
    }
