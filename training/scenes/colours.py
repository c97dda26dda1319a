"""Colour words: which one a material has, and what to paint an object with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WORDS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "grey", "white")
PAINTS: dict[str, tuple[float, float, float]] = {
    "red": (0.82, 0.08, 0.08),
    "orange": (0.95, 0.45, 0.05),
    "yellow": (0.95, 0.85, 0.1),
    "green": (0.1, 0.6, 0.15),
    "blue": (0.1, 0.25, 0.85),
    "purple": (0.5, 0.12, 0.65),
    "pink": (0.97, 0.45, 0.68),
    "brown": (0.42, 0.24, 0.1),
    "black": (0.05, 0.05, 0.05),
    "grey": (0.48, 0.48, 0.48),
    "white": (0.95, 0.95, 0.95),
}
CLEAR_SHARE = 0.65
POSSIBLE_SHARE = 0.1
# Words that people or dim light could swap.
_ALIKE = {
    "red": ("pink", "orange", "brown"),
    "orange": ("red", "yellow", "brown"),
    "yellow": ("orange", "brown", "white"),
    "green": ("yellow", "blue"),
    "blue": ("purple", "green"),
    "purple": ("blue", "pink"),
    "pink": ("purple", "red"),
    "brown": ("orange", "red", "yellow", "black", "grey"),
    "black": ("grey", "brown"),
    "grey": ("black", "white"),
    "white": ("grey", "yellow"),
}
_BRIGHTNESS = {"white": (0.5, 1.0), "grey": (0.22, 0.8), "black": (0.0, 0.3)}


def word_shares(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of some pixels has each colour word.

    Args:
        rgb: N x 3 in [0, 1].

    Returns:
        One share for each of WORDS; pixels of no clear colour (beige, turquoise) count for none.
    """
    index = _word_index(rgb)
    return np.bincount(index[index >= 0], minlength=len(WORDS)) / max(1, len(index))


def colour_word(shares: NDArray[np.float64], *, brightness: float) -> str | None:
    """The word everybody would use, or None.

    Args:
        shares: as `word_shares`, of the object's visible materials.
        brightness: mean of the brightest channel of its rendered pixels, in [0, 1].
    """
    best = int(shares.argmax())
    word = WORDS[best]
    low, high = _BRIGHTNESS.get(word, (0.18, 1.0))
    return word if shares[best] >= CLEAR_SHARE and low <= brightness <= high else None


def possible_words(shares: NDArray[np.float64]) -> tuple[str, ...]:
    """Every word somebody might use, in the order of WORDS."""
    best = WORDS[int(shares.argmax())]
    found = {word for word, share in zip(WORDS, shares, strict=True) if share >= POSSIBLE_SHARE}
    if not found or shares.max() < 0.35:
        return WORDS
    return tuple(word for word in WORDS if word in found or word in _ALIKE[best])


def painted(colours: NDArray[np.float64], word: str, *, random: np.random.Generator) -> NDArray[np.float64]:
    """New colours of an object's parts, P x 3: one paint, shaded as the parts were.

    Args:
        colours: P x 3 in [0, 1], the parts' own.
        word: one of PAINTS.
        random: jitters the paint.
    """
    brightness = colours.max(1)
    shade = 0.8 + 0.2 * brightness / max(0.05, float(brightness.max()))
    paint = np.clip(np.array(PAINTS[word]) * random.uniform(0.9, 1.08) + random.uniform(-0.02, 0.02, 3), 0, 1)
    return np.clip(paint * shade[:, None], 0, 1)


def _word_index(rgb: NDArray[np.float64]) -> NDArray[np.int64]:
    value = rgb.max(1)
    span = value - rgb.min(1)
    saturation = span / np.maximum(value, 1e-6)
    safe = np.maximum(span, 1e-6)
    red, green, blue = rgb.T
    hue = 60 * np.where(
        value == red,
        (green - blue) / safe % 6,
        np.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    conditions = {
        "black": value < 0.2,
        "white": (saturation < 0.12) & (value > 0.82),
        "grey": (saturation < 0.15) & (value < 0.72) & (value > 0.25),
        "none": (saturation < 0.3) | ((saturation < 0.45) & (value > 0.55) & (hue > 15) & (hue < 60)),
        "pink": ((hue >= 300) & (hue < 345)) | (((hue >= 345) | (hue < 12)) & (saturation < 0.6) & (value > 0.75)),
        "brown": (hue >= 8) & (hue < 48) & (value < 0.62),
        "red": (hue >= 345) | (hue < 12),
        "orange": (hue >= 14) & (hue < 40),
        "yellow": (hue >= 44) & (hue < 66),
        "green": (hue >= 75) & (hue < 162),
        "blue": (hue >= 195) & (hue < 256),
        "purple": (hue >= 262) & (hue < 300),
    }
    codes = [WORDS.index(word) if word in WORDS else -1 for word in conditions]
    return np.select(list(conditions.values()), codes, default=-1)
