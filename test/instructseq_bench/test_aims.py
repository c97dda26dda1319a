"""What rows' notes say of the aims."""

from __future__ import annotations

import pytest

from instructseq_bench.aims import judged
from instructseq_bench.rows import Row, measured_row


def test_a_reached_aim_is_said_and_nobody_asks_why() -> None:
    row = measured_row("startup/torch/first map", "s", [4.0], notes="a process")
    found = judged(row, device="cpu", why=lambda: pytest.fail("asked"))
    assert found.notes == "a process; aim reached: ours at most 5"


def test_a_missed_aim_comes_with_its_number_and_the_reason() -> None:
    row = measured_row("maps/single/semantic/stale passes N=1", "passes", [100], peer=[255])
    found = judged(row, device="cpu", why=lambda: "guesses are wrong")
    assert found.notes == "aim missed (2.55): ratio at least 5; why: guesses are wrong"


def test_two_missed_aims_are_explained_once() -> None:
    row = measured_row("paper/token by token N=1", "steps/s", [50], peer=[17], limit=157)
    asked = []
    notes = judged(row, device="cpu", why=lambda: asked.append(1) or "slow").notes
    assert (notes.count("missed"), notes.count("why"), len(asked)) == (2, 1, 1)


@pytest.mark.parametrize(("device", "said"), [("cpu", "at most 4"), ("cuda:0", "at most 2")])
def test_an_aim_holds_for_its_device(device: str, said: str) -> None:
    row = measured_row("paper/cost of N=10", "times", [1.5])
    assert f"aim reached: ours {said}" in judged(row, device=device).notes


def test_what_only_a_gpu_can_show_is_said_where_there_is_none() -> None:
    row = Row(name="paper/map N=10", ours=None, unit="ms")
    assert judged(row, device="cpu").notes.startswith("aim on a GPU: ours at most 190; not measurable here")
    assert judged(row, device="cuda:0") == row


def test_rows_without_aims_and_without_numbers_stay_as_they_are() -> None:
    for row in (measured_row("growth/cameras 2", "ms", [5]), Row(name="node/overhead", ours=None, unit="ms")):
        assert judged(row, device="cpu") == row
