"""What a run says: rates by hand, lines where there is no terminal, a table where there is one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from instructseq_training.progress import Journal, Meter, table

STEP = {"map": 2.0, "text": 3.0, "instructions": 40.0, "flops": 1e12, "seconds": 2.0, "wait": 0.5}
ROW = {"step": 7, "minutes": 3.0, "map": 2.5, "mfu": 0.25, "samples_per_second": 20.0, "waiting": 0.1}


def test_rates_are_instructions_peak_and_waiting_by_hand() -> None:
    meter = Meter(peak=2e12)
    meter.add(STEP)
    meter.add(STEP | {"map": 4.0, "seconds": 6.0})
    assert meter.latest()["map"] == 4.0
    row = meter.mean()
    assert row["map"] == 3.0
    assert row["samples_per_second"] == pytest.approx(40 / 4)
    assert row["mfu"] == pytest.approx(1e12 / 4 / 2e12)
    assert row["waiting"] == pytest.approx(0.5 / 4)
    meter.add(STEP)
    assert meter.mean()["map"] == 2.0


def test_without_a_terminal_there_are_plain_lines_and_a_log(tmp_path: Path) -> None:
    said = io.StringIO()
    with Journal(tmp_path / "log.jsonl", tensorboard=None, speaks=True, console=Console(file=said)) as journal:
        journal.show(ROW, 0.5)
        journal.write(ROW)
    assert said.getvalue() == "step 7 minutes 3 map 2.5 mfu 0.25 samples_per_second 20 waiting 0.1\n"
    assert json.loads((tmp_path / "log.jsonl").read_text()) == ROW


def test_a_terminal_gets_a_table_with_losses_rates_and_the_time_left(tmp_path: Path) -> None:
    said = io.StringIO()
    console = Console(file=said, force_terminal=True, width=100)
    with Journal(tmp_path / "log.jsonl", tensorboard=None, speaks=True, console=console) as journal:
        journal.show(ROW, 0.25)
    for part in ("9 min left", "25.0 %", "map", "2.5", "mfu", "instructions/s"):
        assert part in said.getvalue()


def test_a_run_that_has_just_begun_has_a_table_too() -> None:
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(table(ROW, 0.0))
    assert "nan min left" in console.export_text()


def test_other_processes_write_nothing(tmp_path: Path) -> None:
    said = io.StringIO()
    folder = tmp_path / "tensorboard"
    with Journal(tmp_path / "log.jsonl", tensorboard=folder, speaks=False, console=Console(file=said)) as journal:
        journal.write(ROW)
        journal.say("a word")
    assert said.getvalue() == ""
    assert list(tmp_path.iterdir()) == []
