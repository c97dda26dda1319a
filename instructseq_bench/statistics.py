"""What is made of measurements: medians, quartiles, ratios and shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from instructseq_model.errors import ConfigError


class Better(Enum):
    """Which values of a unit are good."""

    HIGHER = "higher"
    LOWER = "lower"


UNITS: dict[str, Better] = {
    "steps/s": Better.HIGHER,
    "GB/s": Better.HIGHER,
    "Hz": Better.HIGHER,
    "s": Better.LOWER,
    "ms": Better.LOWER,
    "MiB": Better.LOWER,
    "passes": Better.LOWER,
    "times": Better.LOWER,
    "% missed": Better.LOWER,
}
"""Every unit of a row. "times": as much as for one."""


QUARTILES_NEED = 3
"""Fewer measurements have no quartiles to speak of."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How measurements lie.

    Attributes:
        lower: first quartile.
        median: the middle.
        upper: third quartile.
        repetitions: how many measurements there were.
    """

    lower: float
    median: float
    upper: float
    repetitions: int


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles, between neighbours by straight lines.

    Raises:
        ConfigError: there are no values.
    """
    if not len(values):
        raise ConfigError("no measurement was made: raise the time budget")
    lower, median, upper = np.percentile(np.asarray(values, np.float64), [25, 50, 75]).tolist()
    return Spread(lower=lower, median=median, upper=upper, repetitions=len(values))


def gain(ours: float, other: float, unit: str) -> float | None:
    """How many times as good ours is: above 1 where ours is better, whichever way the unit points.

    Args:
        ours: a value, at least 0.
        other: what it is held against, at least 0.
        unit: one of `UNITS`.

    Returns:
        None where it has no meaning: a division by zero.
    """
    above, below = (ours, other) if UNITS[unit] is Better.HIGHER else (other, ours)
    return above / below if below > 0 else None


def paired_gain(ours: Sequence[float], peer: Sequence[float], unit: str) -> float | None:
    """Median over rounds of the gain within each round: a load that comes and goes meets both sides of a pair.

    Raises:
        ConfigError: the rounds are not as many on both sides.
    """
    if len(ours) != len(peer):
        raise ConfigError(f"{len(ours)} rounds cannot be paired with {len(peer)}")
    gains = [found for pair in zip(ours, peer, strict=True) if (found := gain(*pair, unit)) is not None]
    return float(np.median(gains)) if gains else None
