"""A thousand hostile inputs with every change, a million in nightly mode: refused in words or taken, never a crash.

CI draws them through Hypothesis, which makes a failing one small. Nightly they come from seeds of their own, much
faster; INSTRUCTSEQ_FUZZ_MESSAGES sets how many. `python -m fuzzing.campaign` in this folder does the same with a table.
"""

from __future__ import annotations

import os
import signal
import warnings
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .fuzzing import campaign
from .fuzzing.campaign import GROWTH_BYTES, run
from .fuzzing.targets import TARGETS, Target, outcome

EACH = 115
"""Of nine kinds: a little over a thousand."""

NIGHTLY_MESSAGES = int(os.environ.get("INSTRUCTSEQ_FUZZ_MESSAGES", "1000000"))


@pytest.mark.parametrize("kind", TARGETS)
@settings(max_examples=EACH, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_is_taken_or_refused_in_words(kind: str, random: Random) -> None:
    target = TARGETS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert outcome(target, target.make(random))


@pytest.mark.parametrize("kind", TARGETS)
def test_both_outcomes_are_met(kind: str) -> None:
    tally = run(kind, 60)
    assert tally.faults == []
    assert tally.refusals
    assert tally.taken or kind == "checkpoints"  # its few weights fit no model


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers of the processor's time")
def test_a_hang_is_a_fault_with_its_number_and_the_next_input_is_fed(monkeypatch: pytest.MonkeyPatch) -> None:
    def feed(made: int) -> None:
        while made == 1:
            pass

    numbers = iter(range(3))
    monkeypatch.setitem(TARGETS, "loop", Target(lambda random: next(numbers), feed))
    monkeypatch.setattr(campaign, "HANG_SECONDS", 0.05)
    tally = run("loop", 3)
    assert (tally.fed, tally.taken) == (3, 2)
    assert [number for number, _ in tally.faults] == [1]
    assert "it took 0.05 s of the processor" in tally.faults[0][1]


@pytest.mark.nightly
@pytest.mark.timeout(12 * 3600)
@pytest.mark.parametrize("kind", TARGETS)
def test_a_million_messages_leave_no_trace(kind: str) -> None:
    tally = run(kind, -(-NIGHTLY_MESSAGES // len(TARGETS)), seed=1)
    assert tally.faults == []
    assert tally.growth < GROWTH_BYTES
