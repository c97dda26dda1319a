"""JPEG and PNG against OpenCV; files that lie about their size, are cut off or are something else."""

from __future__ import annotations

import struct
import warnings
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from instructseq_model.errors import ImageError
from instructseq_ros.compressed_image import compressed_to_rgb


def scene() -> NDArray[np.uint8]:
    across, down = np.meshgrid(np.linspace(0, 255, 64), np.linspace(0, 255, 48))
    return np.stack([across, down, 255 - across], axis=-1).astype(np.uint8)


def encoded(suffix: str, pixels: NDArray[Any], *options: int) -> bytes:
    done, data = cv2.imencode(suffix, pixels, options)
    assert done
    return bytes(data)


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return start + struct.pack(">I", 100) + b"IDAT"  # and no pixels follow


def test_png_colours_are_exact() -> None:
    assert np.array_equal(compressed_to_rgb(encoded(".png", scene()[..., ::-1])), scene())


def test_jpeg_matches_opencv() -> None:
    data = encoded(".jpg", scene()[..., ::-1], cv2.IMWRITE_JPEG_QUALITY, 92)
    reference = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(compressed_to_rgb(data).astype(int) - reference).max() <= 2


def test_grey_jpeg_becomes_three_equal_channels() -> None:
    rgb = compressed_to_rgb(encoded(".jpg", scene()[..., 0]))
    assert rgb.shape == (48, 64, 3)
    assert np.array_equal(rgb[..., 0], rgb[..., 2])


def test_sixteen_bit_png_is_scaled_not_clipped() -> None:
    values = np.linspace(0, 65535, 48 * 64).reshape(48, 64).astype(np.uint16)
    rgb = compressed_to_rgb(encoded(".png", values))
    assert np.array_equal(rgb[..., 1], cv2.convertScaleAbs(values, alpha=255 / 65535))


def test_opacity_is_dropped() -> None:
    with_alpha = np.dstack([scene()[..., ::-1], np.full((48, 64), 9, np.uint8)])
    assert np.array_equal(compressed_to_rgb(encoded(".png", with_alpha)), scene())


def test_declared_size_is_refused_before_decoding() -> None:
    with pytest.raises(ImageError, match=r"12000x12000.*max_image_pixels"):
        compressed_to_rgb(png_header(12_000, 12_000))


def test_absurd_declared_size_is_refused_whatever_the_limit() -> None:
    with pytest.raises(ImageError):
        compressed_to_rgb(png_header(2**31 - 1, 2**31 - 1), max_pixels=2**63)


def test_image_larger_than_the_limit_is_refused() -> None:
    with pytest.raises(ImageError, match="64x48, 3072 pixels, and at most 3000"):
        compressed_to_rgb(encoded(".jpg", scene()), max_pixels=3000)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_file_that_is_cut_off_is_refused(suffix: str) -> None:
    data = encoded(suffix, scene())
    with pytest.raises(ImageError, match="cannot be read"):
        compressed_to_rgb(data[: len(data) // 2], image_format="rgb8; jpeg compressed bgr8")


@pytest.mark.parametrize(("data", "words"), [(b"", "no data"), (b"GIF89a" + bytes(40), "JPEG or PNG")])
def test_what_is_not_a_picture_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        compressed_to_rgb(data)


def test_depth_is_not_taken_for_a_picture() -> None:
    with pytest.raises(ImageError, match="depth image"):
        compressed_to_rgb(b"\x00" * 20, image_format="16UC1; compressedDepth png")


def test_odd_metadata_does_not_fill_the_log() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(20)
    plain = encoded(".jpg", scene())
    picture = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert compressed_to_rgb(picture).shape == (48, 64, 3)
    assert seen == []
