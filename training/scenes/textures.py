"""Procedural textures for tables, floors and walls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 256
KINDS = ("plain", "wood", "planks", "checker", "stripes", "tiles", "marble", "speckle", "cloth")


def procedural_texture(random: np.random.Generator) -> NDArray[np.uint8]:
    """One texture of a random kind and colour pair.

    Args:
        random: source of every choice.

    Returns:
        SIDE x SIDE x 3, uint8.
    """
    kind = KINDS[random.integers(len(KINDS))]
    blend = np.clip(_PATTERNS[kind](random), 0.0, 1.0)[..., None]  # SIDE x SIDE x 1
    dark, light = _colour_pair(random, brown=kind in ("wood", "planks"))
    image = dark * (1 - blend) + light * blend
    return np.clip(image * 255, 0, 255).astype(np.uint8)


def smooth_noise(random: np.random.Generator, *, cells: tuple[int, int]) -> NDArray[np.float64]:
    """Bilinear noise in [0, 1], SIDE x SIDE, of `cells` rows and columns; it wraps round."""
    grid = random.random(cells)
    position = [np.arange(SIDE) * count / SIDE for count in cells]
    low = [np.floor(p).astype(int) for p in position]
    rows, columns = position[0] - low[0], position[1] - low[1]
    corner = [
        grid[np.ix_((low[0] + i) % cells[0], (low[1] + j) % cells[1])] for i, j in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]
    top = corner[0] * (1 - columns) + corner[1] * columns
    bottom = corner[2] * (1 - columns) + corner[3] * columns
    mixed: NDArray[np.float64] = top * (1 - rows[:, None]) + bottom * rows[:, None]
    return mixed


def _colour_pair(random: np.random.Generator, *, brown: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if brown and random.random() < 0.8:
        light = np.array([0.78, 0.56, 0.36]) * random.uniform(0.45, 1.2) + random.uniform(-0.05, 0.05, 3)
    else:
        grey = random.uniform(0.15, 0.95)
        light = grey + random.uniform(-1, 1, 3) * random.choice([0.03, 0.12, 0.3])
    dark = light * random.uniform(0.45, 0.95) + random.uniform(-0.06, 0.06, 3)
    return np.clip(dark, 0, 1), np.clip(light, 0, 1)


def _plain(random: np.random.Generator) -> NDArray[np.float64]:
    return 0.5 + 0.1 * (smooth_noise(random, cells=(8, 8)) - 0.5)


def _wood(random: np.random.Generator) -> NDArray[np.float64]:
    warp = smooth_noise(random, cells=(3, 6)) * random.uniform(1, 4) + smooth_noise(random, cells=(2, 48)) * 0.8
    rows = np.linspace(0, random.uniform(3, 12), SIDE)[:, None]
    return 0.5 + 0.35 * np.sin(2 * np.pi * (rows + warp)) + 0.25 * (smooth_noise(random, cells=(128, 8)) - 0.5)


def _planks(random: np.random.Generator) -> NDArray[np.float64]:
    count = int(random.integers(3, 9))
    board = np.arange(SIDE) * count // SIDE
    shade = random.random(count)[board][:, None] * 0.5 + 0.25
    gap = (np.arange(SIDE) * count % SIDE < 2 * count)[:, None]
    return np.where(gap, 0.0, shade + 0.3 * (smooth_noise(random, cells=(96, 6)) - 0.5))


def _checker(random: np.random.Generator) -> NDArray[np.float64]:
    index = np.arange(SIDE) // (SIDE // int(random.choice([2, 4, 8])))
    return ((index[:, None] + index) % 2).astype(np.float64)


def _stripes(random: np.random.Generator) -> NDArray[np.float64]:
    wave = np.sin(2 * np.pi * int(random.integers(2, 14)) * np.arange(SIDE) / SIDE) > random.uniform(-0.7, 0.7)
    return np.broadcast_to(wave[:, None] if random.random() < 0.5 else wave, (SIDE, SIDE)).astype(np.float64)


def _tiles(random: np.random.Generator) -> NDArray[np.float64]:
    count = int(random.integers(2, 7))
    index = np.arange(SIDE) * count // SIDE
    joint = np.arange(SIDE) * count % SIDE < 5 * count
    shade = 0.6 + 0.3 * random.random((count, count))[np.ix_(index, index)]
    return np.where(joint[:, None] | joint, 0.0, shade)


def _marble(random: np.random.Generator) -> NDArray[np.float64]:
    warp = sum(smooth_noise(random, cells=(2**k, 2**k)) / 2**k for k in range(2, 6)) * random.uniform(4, 12)
    ramp = np.linspace(0, 4 * np.pi, SIDE)
    pattern: NDArray[np.float64] = 0.5 + 0.5 * np.sin(ramp[:, None] + ramp + 2 * np.pi * warp)
    return pattern


def _speckle(random: np.random.Generator) -> NDArray[np.float64]:
    pattern: NDArray[np.float64] = 0.5 + random.uniform(0.2, 0.6) * (random.random((SIDE, SIDE)) - 0.5)
    return pattern


def _cloth(random: np.random.Generator) -> NDArray[np.float64]:
    waves = np.sin(2 * np.pi * int(random.integers(4, 24)) * np.arange(SIDE) / SIDE)
    return 0.5 + 0.25 * waves[:, None] + 0.25 * waves


_PATTERNS = {
    "plain": _plain,
    "wood": _wood,
    "planks": _planks,
    "checker": _checker,
    "stripes": _stripes,
    "tiles": _tiles,
    "marble": _marble,
    "speckle": _speckle,
    "cloth": _cloth,
}
