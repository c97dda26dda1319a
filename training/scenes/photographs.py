"""Photographs behind and under the objects."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructseq_training.scenes.assets import photograph_files

# Drawings, test charts and calibration boards; and the photographs of everyday things that are kept for evaluation.
_UNFIT = (
    "left",
    "right",
    "ellipses",
    "text_",
    "pca_test",
    "licenseplate",
    "Blender",
    "ela_",
    "leuvenB",
    "aloeR",
    "imageTextN",
    "imageTextR",
    "LinuxLogo",
    "WindowsLogo",
    "mask",
    "gradient",
    "notes",
    "sudoku",
)
_KEPT_FOR_EVALUATION = ("fruits", "home", "stuff", "messi5", "apple", "orange")
_SIDE = 640


@lru_cache(maxsize=2)
def photographs(root: Path) -> tuple[NDArray[np.uint8], ...]:
    """Every usable photograph under `root`, each H x W x 3, uint8, longest side 640; empty where there are none."""
    files = [file for file in photograph_files(root) if not file.stem.startswith((*_UNFIT, *_KEPT_FOR_EVALUATION))]
    return tuple(_load(file) for file in files)


def random_crop(
    photograph: NDArray[np.uint8], *, size_wh: tuple[int, int], random: np.random.Generator
) -> NDArray[np.uint8]:
    """A random part of a photograph, of the given aspect and size, perhaps mirrored."""
    height, width = photograph.shape[:2]
    scale = min(width / size_wh[0], height / size_wh[1]) * random.uniform(0.5, 1.0)
    crop_w, crop_h = max(8, int(size_wh[0] * scale)), max(8, int(size_wh[1] * scale))
    left, top = random.integers(0, width - crop_w + 1), random.integers(0, height - crop_h + 1)
    part = Image.fromarray(photograph[top : top + crop_h, left : left + crop_w]).resize(
        size_wh, Image.Resampling.BILINEAR
    )
    image = np.asarray(part)
    return image[:, ::-1].copy() if random.random() < 0.5 else image


def _load(file: Path) -> NDArray[np.uint8]:
    with Image.open(file) as image:
        image.draft("RGB", (_SIDE, _SIDE))
        rgb = image.convert("RGB")
        rgb.thumbnail((_SIDE, _SIDE))
        return np.asarray(rgb)
