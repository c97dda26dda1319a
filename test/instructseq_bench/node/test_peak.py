"""The search for the highest rate, against servers whose capacity is known."""

from __future__ import annotations

import pytest

from instructseq_bench.node.peak import keeps_up, peak_rate
from instructseq_bench.node.timing import Timing


def found_at(rate: float, *, capacity: float, fastest: float = 1e9) -> Timing:
    """What a server of this capacity gives, shown frames by a sender that reaches `fastest`."""
    sent = min(rate, fastest)
    missed = max(0.0, (sent - capacity) / sent)
    return Timing(latencies=(0.1,), mean=0.1, p95=0.1, most=0.1, jitter=0.0, sent_rate=sent, missed=missed, frames=100)


@pytest.mark.parametrize("guess", [1.0, 9.0, 11.0, 300.0])
def test_the_peak_is_found_from_any_guess(guess: float) -> None:
    peak, found = peak_rate(lambda rate: found_at(rate, capacity=10.0), guess=guess, trials=20)
    assert peak == pytest.approx(10.0 / 0.95, rel=0.01)  # 5 % may be missed
    assert found is not None
    assert found.missed <= 0.05


def test_a_rate_that_the_sender_does_not_reach_does_not_count() -> None:
    peak, _ = peak_rate(lambda rate: found_at(rate, capacity=1000.0, fastest=50.0), guess=40.0, trials=20)
    assert peak == pytest.approx(50 / 0.9, rel=0.01)


def test_where_no_rate_is_kept_up_the_peak_is_nothing() -> None:
    assert peak_rate(lambda rate: found_at(rate, capacity=0.0), guess=8.0, trials=3) == (0.0, None)


@pytest.mark.parametrize(("capacity", "kept"), [(9.5, True), (9.4, False)])
def test_a_twentieth_may_be_missed(capacity: float, kept: bool) -> None:
    assert keeps_up(10.0, found_at(10.0, capacity=capacity)) is kept
