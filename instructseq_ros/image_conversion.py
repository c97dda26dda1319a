"""Pixels of a sensor_msgs/Image as RGB, and back, through NumPy views: row step, padding and byte order are honoured.

Nothing here imports ROS: an image message is anything with the fields of `ImageMessage`. Eight bits a channel come out,
because the model sees no more. A view shows the message's bytes as pixels without copying them; OpenCV packs that view
into RGB. cv_bridge, where it is installed and imports, serves every encoding that is not in the table.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from instructseq_model.errors import ImageError
from instructseq_model.geometry import LARGEST_SIDE

RGB = NDArray[np.uint8]

MAX_IMAGE_PIXELS = 50_000_000
"""Images with more pixels than this are refused unless the caller allows more; an 8K frame has 33 million."""


class ImageMessage(Protocol):
    """The fields of sensor_msgs/Image that hold the pixels."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any  # array.array('B'), bytes or uint8 array: whatever has the buffer interface


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the pixels of one encoding lie in memory, and how they become RGB.

    Attributes:
        channels: values per pixel.
        item_bytes: bytes per value, 1 or 2.
        to_rgb: H x W x channels, a view of the message's uint8 or uint16 values -> H x W x 3 of the same type.
        even_width: the width must be even, because two pixels share their colour.
        least_side: smallest width and height with a meaning.
    """

    channels: int
    item_bytes: int
    to_rgb: Callable[[NDArray[Any]], NDArray[Any]]
    even_width: bool = False
    least_side: int = 1


def _as_is(view: NDArray[Any]) -> NDArray[Any]:
    return view


def _through_opencv(code: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Pack the view by OpenCV's conversion `code`, 5-20 times as fast as NumPy packs a view with reordered channels."""
    return lambda view: np.asarray(cv2.cvtColor(view.astype(view.dtype.newbyteorder("="), copy=False), code))


def _bayer(code: int, item_bytes: int) -> Layout:
    """A mosaic of one value per pixel, which needs neighbours on every side."""
    return Layout(channels=1, item_bytes=item_bytes, to_rgb=_through_opencv(code), least_side=3)


def _yuv422(code: int) -> Layout:
    """Two bytes per pixel: its brightness, and in turn one of the two colour values of a pair of pixels."""
    return Layout(channels=2, item_bytes=1, to_rgb=_through_opencv(code), even_width=True)


# OpenCV names a Bayer pattern by the second and third pixel of the second row, ROS by the upper left corner of the
# image: RGGB of ROS is BG of OpenCV.
_BAYER_CODES = {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}

LAYOUTS: dict[str, Layout] = {
    "rgb8": Layout(channels=3, item_bytes=1, to_rgb=_as_is),
    "bgr8": Layout(channels=3, item_bytes=1, to_rgb=_through_opencv(cv2.COLOR_BGR2RGB)),
    "rgba8": Layout(channels=4, item_bytes=1, to_rgb=_through_opencv(cv2.COLOR_RGBA2RGB)),
    "bgra8": Layout(channels=4, item_bytes=1, to_rgb=_through_opencv(cv2.COLOR_BGRA2RGB)),
    "mono8": Layout(channels=1, item_bytes=1, to_rgb=_through_opencv(cv2.COLOR_GRAY2RGB)),
    "mono16": Layout(channels=1, item_bytes=2, to_rgb=_through_opencv(cv2.COLOR_GRAY2RGB)),
    "8UC1": Layout(channels=1, item_bytes=1, to_rgb=_through_opencv(cv2.COLOR_GRAY2RGB)),
    "8UC3": Layout(channels=3, item_bytes=1, to_rgb=_through_opencv(cv2.COLOR_BGR2RGB)),
    "16UC1": Layout(channels=1, item_bytes=2, to_rgb=_through_opencv(cv2.COLOR_GRAY2RGB)),
    "yuv422": _yuv422(cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": _yuv422(cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": _yuv422(cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": _yuv422(cv2.COLOR_YUV2RGB_YUY2),
    **{f"bayer_{name}8": _bayer(code, 1) for name, code in _BAYER_CODES.items()},
    **{f"bayer_{name}16": _bayer(code, 2) for name, code in _BAYER_CODES.items()},
}
"""Encodings of sensor_msgs/image_encodings that are read without cv_bridge. 8UC3 is taken as BGR, as OpenCV's users
publish it; 16 bits are scaled linearly to 8."""


_EIGHT_BITS = ((np.arange(65536, dtype=np.uint32) + 128) // 257).astype(np.uint8)


def eight_bits(values: NDArray[np.uint16]) -> RGB:
    """0..65535 scaled to 0..255 and rounded, as OpenCV's `convertTo` with a factor of 255 / 65535 does."""
    scaled: RGB = _EIGHT_BITS[values]
    return scaled


def image_to_rgb(message: ImageMessage, *, max_pixels: int = MAX_IMAGE_PIXELS) -> RGB:
    """The pixels of an image message as RGB.

    Args:
        message: a sensor_msgs/Image.
        max_pixels: larger images are refused.

    Returns:
        H x W x 3 uint8, C-contiguous. For rgb8 without padding it shares the message's memory: do not write to it.

    Raises:
        ImageError: no pixels, too many, a row step or data length that does not fit, or an unknown encoding.
    """
    check_size(message.width, message.height, max_pixels=max_pixels)
    layout = LAYOUTS.get(message.encoding)
    if layout is None:
        return _through_cv_bridge(message)
    _check_layout(message, layout)
    values = _view(message, layout)  # H x W x C
    if layout.item_bytes == 2:
        values = eight_bits(values)
    return np.ascontiguousarray(layout.to_rgb(values))


def check_size(width: int, height: int, *, max_pixels: int) -> None:
    """Refuse an image without pixels, with more than `max_pixels`, or with a side that the model refuses.

    Raises:
        ImageError: which of them it is.
    """
    if width < 1 or height < 1:
        raise ImageError(f"the image is {width}x{height} and has no pixels: check the camera driver")
    if width * height > max_pixels:
        raise ImageError(
            f"the image is {width}x{height}, {width * height} pixels, and at most {max_pixels} are allowed: "
            "resize it first, or raise the parameter max_image_pixels"
        )
    if max(width, height) > LARGEST_SIDE:
        raise ImageError(f"the image is {width}x{height}, and no side may exceed {LARGEST_SIDE}: resize it first")


def _check_layout(message: ImageMessage, layout: Layout) -> None:
    """Compare the declared size with the row step and with the bytes that are really there."""
    name = f"{message.width}x{message.height} {message.encoding:.100}"
    if layout.even_width and message.width % 2:
        raise ImageError(f"the image is {name}, but pairs of pixels share their colour: the width must be even")
    if min(message.width, message.height) < layout.least_side:
        raise ImageError(f"the image is {name}, but a Bayer mosaic needs at least 3x3 pixels")
    row = message.width * layout.channels * layout.item_bytes
    if message.step < row:
        raise ImageError(f"the image is {name} with a step of {message.step} bytes, but a row has {row}: mend `step`")
    expected, got = message.step * message.height, memoryview(message.data).nbytes
    if expected != got:
        raise ImageError(
            f"the image is {name} with a step of {message.step} bytes and needs {expected} bytes of data, got {got}: "
            "the publisher must fill height x step bytes"
        )


def _view(message: ImageMessage, layout: Layout) -> NDArray[Any]:
    """The message's bytes as H x W x C, without copying; one-channel values come as H x W x 1."""
    item = layout.item_bytes
    dtype = np.dtype(np.uint8 if item == 1 else (">u2" if message.is_bigendian else "<u2"))
    view: NDArray[Any] = np.ndarray(
        (message.height, message.width, layout.channels),
        dtype,
        buffer=message.data,
        strides=(message.step, layout.channels * item, item),
    )
    return view


def _import_cv_bridge() -> Any | None:
    """cv_bridge's CvBridge, or None where it is missing or its binary and the installed NumPy disagree."""
    try:
        from cv_bridge import CvBridge
    except Exception:  # an ABI clash shows as AttributeError, SystemError, RuntimeError or others, not only ImportError
        return None
    return CvBridge()


def _through_cv_bridge(message: ImageMessage) -> RGB:
    """Let cv_bridge convert what is not in `LAYOUTS`."""
    bridge = _import_cv_bridge()
    if bridge is None:
        raise ImageError(
            f"the image encoding {message.encoding!r:.100} is not known here: publish one of {', '.join(LAYOUTS)}, "
            "or install cv_bridge"
        )
    try:
        rgb = np.ascontiguousarray(bridge.imgmsg_to_cv2(message, "rgb8"))
    except Exception as error:  # cv_bridge raises CvBridgeError, cv2.error, TypeError or ValueError
        raise ImageError(
            f"cv_bridge cannot turn the image encoding {message.encoding!r:.100} into rgb8: {error}"
        ) from error
    if rgb.shape != (message.height, message.width, 3) or rgb.dtype != np.uint8:
        raise ImageError(f"cv_bridge gave {rgb.shape} {rgb.dtype} for {message.encoding!r:.100}: publish rgb8 instead")
    return rgb


_OUTPUT_TYPES: dict[str, tuple[Any, int]] = {
    "mono8": (np.uint8, 2),
    "8UC1": (np.uint8, 2),
    "16UC1": (np.uint16, 2),
    "32FC1": (np.float32, 2),
    "rgb8": (np.uint8, 3),
}


def image_fields(pixels: NDArray[Any], encoding: str) -> dict[str, Any]:
    """The fields of a sensor_msgs/Image that holds these pixels, without padding: `Image(header=h, **fields)`.

    Args:
        pixels: H x W (rgb8: H x W x 3), of the type that the encoding names.
        encoding: mono8, 8UC1, 16UC1, 32FC1 or rgb8.

    Returns:
        height, width, encoding, is_bigendian, step, and data as array.array('B'), the one type that rclpy takes
        without looking at every element.

    Raises:
        ImageError: another encoding, or pixels of another shape or type.
    """
    if encoding not in _OUTPUT_TYPES:
        raise ImageError(f"no image is written as {encoding!r}: use one of {', '.join(_OUTPUT_TYPES)}")
    dtype, dimensions = _OUTPUT_TYPES[encoding]
    if pixels.dtype != dtype or pixels.ndim != dimensions or (dimensions == 3 and pixels.shape[2] != 3):
        raise ImageError(f"{encoding} needs {np.dtype(dtype)} and {dimensions} axes, got {pixels.dtype} {pixels.shape}")
    rows = np.ascontiguousarray(pixels)
    data = array.array("B")
    data.frombytes(rows.data.cast("B") if rows.size else b"")
    height, width = rows.shape[:2]
    return {
        "height": height,
        "width": width,
        "encoding": encoding,
        "is_bigendian": int(sys.byteorder == "big"),
        "step": rows.nbytes // height if height else 0,
        "data": data,
    }
