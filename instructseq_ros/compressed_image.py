"""JPEG and PNG images as RGB. The size that the file declares is checked before anything is decoded."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from PIL import Image

from instructseq_model.errors import ImageError
from instructseq_ros.image_conversion import MAX_IMAGE_PIXELS, RGB, check_size, eight_bits

MOST_COMPRESSED_PIXELS = 178_956_970
"""Pillow's own limit; `max_pixels` above it has no effect."""


def compressed_to_rgb(data: Any, *, image_format: str = "", max_pixels: int = MAX_IMAGE_PIXELS) -> RGB:
    """The pixels of a JPEG or PNG file as RGB, in the orientation in which they are stored.

    An EXIF orientation is not applied: camera calibration and boxes refer to the stored rows and columns.

    Args:
        data: the bytes of the file, or anything with the buffer interface.
        image_format: `format` of the sensor_msgs/CompressedImage, for the error message; what the file is, its first
            bytes say.
        max_pixels: files that declare more pixels are refused without being decoded.

    Returns:
        H x W x 3 uint8, C-contiguous.

    Raises:
        ImageError: empty, damaged, cut off, another format, without pixels or with too many.
    """
    if "compressedDepth" in image_format:
        raise ImageError(
            f"{image_format!r:.100} is a depth image, not a picture: subscribe to the colour camera's topic"
        )
    content = bytes(memoryview(data))
    if not content:
        raise ImageError("the compressed image has no data: check the publisher")
    try:
        with warnings.catch_warnings():
            # `max_pixels` is the limit here; and what Pillow finds odd in metadata would fill the log, frame by frame.
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(content), formats=("JPEG", "PNG"))
            check_size(*picture.size, max_pixels=max_pixels)
            return _pixels(picture)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"the compressed image declares more than {MOST_COMPRESSED_PIXELS} pixels, and so many are never read: "
            "resize it first"
        ) from error
    except Exception as error:  # Pillow: UnidentifiedImageError, OSError, SyntaxError, struct's
        raise ImageError(
            f"the compressed image ({image_format!r:.100}, {len(content)} bytes) cannot be read as JPEG or PNG: "
            f"{error!s:.300}"
        ) from error


def _pixels(picture: Image.Image) -> RGB:
    """Decode; 16-bit grey is scaled to 8 bits, which Pillow's own conversion would clip instead."""
    if picture.mode.startswith("I"):
        grey = eight_bits(np.asarray(picture).astype(np.uint16))  # H x W
        return np.ascontiguousarray(np.broadcast_to(grey[..., None], (*grey.shape, 3)))
    return np.array(picture.convert("RGB"))
