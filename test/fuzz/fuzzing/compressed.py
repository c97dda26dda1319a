"""sensor_msgs/CompressedImage: pictures of every kind that cameras send, damaged; and what is no picture at all."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from random import Random

import numpy as np
from PIL import Image, PngImagePlugin

from instructseq_ros.compressed_image import compressed_to_rgb

from .mutation import EXTREMES, mutated

MAX_PIXELS = 20_000


def make(random: Random) -> bytes:
    """The bytes of a file."""
    if random.random() < 0.05:
        return random.randbytes(random.choice((0, 1, 8, 100, 2000)))
    if random.random() < 0.1:
        return png(random.choice(EXTREMES), random.choice(EXTREMES), random.choice((1, 2, 8, 16)), random.randrange(8))
    data = random.choice(pictures())
    if random.random() < 0.3 and data.startswith(b"\x89PNG"):
        return _with_right_checksums(mutated(random, data))
    return mutated(random, data) if random.random() < 0.95 else data


def feed(data: bytes) -> None:
    """What is taken is a picture within the limit."""
    rgb = compressed_to_rgb(data, image_format="jpeg", max_pixels=MAX_PIXELS)
    assert rgb.ndim == 3
    assert rgb.shape[2] == 3
    assert 0 < rgb.shape[0] * rgb.shape[1] <= MAX_PIXELS
    assert rgb.dtype == np.uint8


def png(width: int, height: int, depth: int = 8, colour: int = 2, *, body: bytes = b"") -> bytes:
    """A PNG that declares a size, with right checksums, and `body` as its compressed rows."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", body or zlib.compress(bytes(100))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, held) for name, held in parts)


@cache
def pictures() -> tuple[bytes, ...]:
    """Good files: modes, progressive and interlaced ones, metadata, other formats."""
    rows = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    picture = Image.fromarray(rows)
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "a" * 200, zip=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    saved = [
        _saved(picture, "PNG"),
        _saved(picture, "PNG", pnginfo=text),
        _saved(picture.convert("P"), "PNG", transparency=3),
        _saved(picture.convert("1"), "PNG"),
        _saved(picture.convert("RGBA"), "PNG"),
        _saved(picture.convert("LA"), "PNG"),
        _saved(Image.fromarray(rows[..., 0].astype(np.uint16) * 257), "PNG"),
        _saved(picture, "PNG", save_all=True, append_images=[picture.rotate(90, expand=True), picture]),
        _saved(picture, "JPEG"),
        _saved(picture, "JPEG", progressive=True, quality=30),
        _saved(picture.convert("L"), "JPEG"),
        _saved(picture.convert("CMYK"), "JPEG"),
        _saved(picture, "JPEG", exif=exif, comment="hello", icc_profile=bytes(300)),
        _saved(picture, "MPO", save_all=True, append_images=[picture]),
        _saved(picture, "GIF"),
        _saved(picture, "BMP"),
        _saved(picture, "TIFF"),
    ]
    return tuple(saved)


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def _chunk(name: bytes, held: bytes) -> bytes:
    return struct.pack(">I", len(held)) + name + held + struct.pack(">I", zlib.crc32(name + held))


def _with_right_checksums(data: bytes) -> bytes:
    """The same PNG with every chunk's checksum mended, so that damage reaches what lies behind the check."""
    at, parts = 8, [data[:8]]
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        parts.append(_chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return b"".join(parts)
