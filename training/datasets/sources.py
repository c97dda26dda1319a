"""Bytes of a picture: a file on disk, or what came out of a shard."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from instructseq_training.datasets.errors import DatasetError

Source: TypeAlias = Path | bytes
"""A file, or its content."""


def content(source: Source) -> bytes:
    """The bytes of a source.

    Raises:
        DatasetError: the file cannot be read.
    """
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except OSError as error:
        raise DatasetError(f"cannot read {source} ({error.strerror}); unpack its archive again") from error


def read_rgb(source: Source) -> NDArray[np.uint8]:
    """A picture as H x W x 3, RGB; grey ones, of which COCO has some, get three equal channels.

    Raises:
        DatasetError: it is no picture, or damaged.
    """
    return np.asarray(_open(source, "RGB"))


def read_grey(source: Source) -> NDArray[np.uint8]:
    """A picture as H x W brightness.

    Raises:
        DatasetError: it is no picture, or damaged.
    """
    return np.asarray(_open(source, "L"))


def read_indices(source: Source) -> NDArray[np.uint8]:
    """A picture whose pixels are numbers, as H x W: 8 bits a pixel, grey or with a palette.

    Raises:
        DatasetError: it is no picture, damaged, or of another kind.
    """
    picture = _open(source, None)
    if picture.mode not in ("L", "P"):
        raise DatasetError(f"{_name(source)} has mode {picture.mode}, a map of ids has 8 bits a pixel; fetch it again")
    return np.asarray(picture)


def _open(source: Source, mode: str | None) -> Any:
    try:
        picture = Image.open(io.BytesIO(content(source)))
        picture.load()
        return picture if mode is None else picture.convert(mode)
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise DatasetError(f"{_name(source)} is no picture, or damaged ({error}); fetch it again") from error


def _name(source: Source) -> str:
    return str(source) if isinstance(source, Path) else "a picture in a shard"
