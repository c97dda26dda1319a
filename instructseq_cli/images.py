"""Image files in, image files out: what the command line accepts, with limits, and how results are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from instructseq_model.errors import ImageError
from instructseq_model.overlay import heat_colours, heat_levels

MAX_PIXELS = 100_000_000
"""Larger images are refused: no camera makes them, and decoding one takes gigabytes."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a JPEG, PNG, WebP, TIFF or other file that Pillow knows, turned upright as its EXIF data says.

    Transparent parts are shown on white.

    Args:
        path: the file.

    Returns:
        H x W x 3 uint8, RGB.

    Raises:
        ImageError: there is no such file, it cannot be read, it is no image, it is damaged, or it has more than
            `MAX_PIXELS` pixels.
    """
    if path.is_dir():
        raise ImageError(f"{path} is a folder: name one image file in it")
    if not path.exists():
        raise ImageError(f"there is no file {path}: check the path")
    if path.stat().st_size == 0:
        raise ImageError(f"{path} is empty (0 bytes): it was not saved completely; name another file")
    try:
        with Image.open(path) as file:
            width, height = file.size
            if width * height > MAX_PIXELS:
                raise ImageError(
                    f"{path} has {width}x{height} pixels, more than {MAX_PIXELS // 1_000_000} million: "
                    "scale it down first"
                )
            upright = ImageOps.exif_transpose(file)
            return _as_rgb(upright)
    except Image.UnidentifiedImageError:
        raise ImageError(f"{path} is not an image that Pillow can read: give a JPEG, PNG, WebP or TIFF file") from None
    except Image.DecompressionBombError:
        raise ImageError(
            f"{path} has more than {MAX_PIXELS // 1_000_000} million pixels: scale it down first"
        ) from None
    except PermissionError:
        raise ImageError(f"{path} may not be read: change its permissions") from None
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{path} is damaged ({error}): save it again or name another file") from None


def _as_rgb(picture: Image.Image) -> NDArray[np.uint8]:
    """Any mode as RGB, H x W x 3; 16-bit grey is scaled to 8 bits, transparency laid on white."""
    if picture.mode.startswith("I;16") or picture.mode == "I":
        grey = (np.asarray(picture).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8)  # H x W
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        return np.array(Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba).convert("RGB"))
    return np.array(picture.convert("RGB"))


def write_rgb(path: Path, image: NDArray[np.uint8]) -> None:
    """Write H x W x 3 uint8, RGB; the suffix names the format."""
    Image.fromarray(image).save(path)


def write_ids(path: Path, ids: NDArray[Any], colours: NDArray[np.uint8]) -> None:
    """Write a mask as PNG that reads back as ids and shows as colours.

    Up to 256 ids it is a palette image: its values are the ids, its palette the colours. Beyond that it is 16-bit grey.

    Args:
        path: where to, ending in `.png`.
        ids: H x W, 0 and up.
        colours: N x 3 uint8, the colour of each id.
    """
    if len(colours) > 256:
        Image.fromarray(ids.astype(np.uint16)).save(path)
        return
    picture = Image.fromarray(ids.astype(np.uint8))
    picture.putpalette(colours.astype(np.uint8).tobytes())
    picture.save(path)


def write_confidence(path: Path, values: NDArray[np.floating[Any]]) -> None:
    """Write values in [0, 1] as PNG: pixel value / 255 is the confidence, and the palette shows it as a heat map.

    Args:
        path: where to, ending in `.png`.
        values: H x W.
    """
    write_ids(path, heat_levels(values), heat_colours())
