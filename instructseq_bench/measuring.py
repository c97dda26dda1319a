"""Taking turns: what is compared is measured in one run, round by round, so that a machine's moods meet all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from instructseq_model.errors import ConfigError

Candidate = Callable[[int], float]
"""Takes the number of the round, from 0, and returns what was measured in it."""

Clock = Callable[[], float]
"""Returns seconds."""

Series = dict[str, list[float]]
"""Measurements by candidate, one a round and all of equal length."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long a measurement may take.

    Attributes:
        seconds: no further round begins that would end after this time, were it as long as the longest.
        least: rounds that are made whatever they take, at least 1.
        most: rounds that are enough.
    """

    seconds: float
    least: int = 3
    most: int = 30

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise ConfigError(f"rounds must be 1 <= least <= most, got {self.least} and {self.most}")


def interleave(
    candidates: Mapping[str, Candidate], budget: Budget, *, warm_ups: int = 1, clock: Clock = time.perf_counter
) -> Series:
    """Measure each candidate once a round, in an order that turns round every time.

    Args:
        candidates: by name.
        budget: time and rounds.
        warm_ups: rounds before, whose values are dropped; they count in the rounds' numbers and in the time.
        clock: of the budget.

    Raises:
        ConfigError: there is nothing to measure.
    """
    if not candidates:
        raise ConfigError("there is nothing to measure: name at least one candidate")
    series: Series = {name: [] for name in candidates}
    began, longest = clock(), 0.0
    for number in range(warm_ups + budget.most):
        measured = number - warm_ups
        if measured >= budget.least and clock() - began + longest > budget.seconds:
            break
        round_began = clock()
        names = list(candidates) if number % 2 == 0 else list(candidates)[::-1]
        for name in names:
            value = candidates[name](number)
            if measured >= 0:
                series[name].append(value)
        longest = max(longest, clock() - round_began) if measured >= 0 else 0.0
    return series


def timed(work: Callable[[int], object], device: str, *, clock: Clock = time.perf_counter) -> Candidate:
    """A candidate that returns the seconds that `work` takes, with everything it left to the device."""

    def measure(number: int) -> float:
        synchronise(device)
        began = clock()
        work(number)
        synchronise(device)
        return clock() - began

    return measure


def synchronise(device: str) -> None:
    """Wait until the device has done what it was given; a CPU has."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
