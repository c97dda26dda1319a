"""The highest rate that is kept up: bisection over rates, as ros2_benchmark does it."""

from __future__ import annotations

from collections.abc import Callable

from instructseq_bench.node.timing import Timing

MOST_MISSED = 0.05
"""A rate is kept up while no more than this share of the frames is missed."""

SENT_SHARE = 0.9
"""A rate that the sender itself does not reach by this share was not tried."""

Trial = Callable[[float], Timing]
"""Plays frames at a rate in Hz."""


def keeps_up(rate: float, found: Timing) -> bool:
    """Whether frames were sent at this rate and answered."""
    return found.missed <= MOST_MISSED and found.sent_rate >= SENT_SHARE * rate


def peak_rate(trial: Trial, *, guess: float, trials: int) -> tuple[float, Timing | None]:
    """The highest rate found that is kept up.

    Doubles or halves from the guess until the peak lies between two rates, then halves the gap between them.

    Args:
        trial: plays a rate.
        guess: the first rate, Hz.
        trials: rates tried, at least 1.

    Returns:
        The rate in Hz and how it went; 0 and None where no tried rate was kept up.
    """
    kept, best, lost, rate = 0.0, None, float("inf"), guess
    for _ in range(trials):
        found = trial(rate)
        if keeps_up(rate, found):
            kept, best = rate, found
        else:
            lost = rate
        if kept == 0:
            rate = lost / 2
        elif lost == float("inf"):
            rate = 2 * kept
        else:
            rate = (kept * lost) ** 0.5
    return kept, best
