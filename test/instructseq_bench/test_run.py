"""A run of made-up sections: report, table, plots."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from instructseq_bench.plots import draw_plots
from instructseq_bench.rows import Report, Row, measured_row
from instructseq_bench.run import run
from instructseq_bench.sections import Section
from instructseq_bench.setting import Setting
from instructseq_bench.table import show
from instructseq_model.errors import InstructSeqError


def made_up(name: str) -> Section:
    def measure(setting: Setting) -> Iterator[Row]:
        yield measured_row(f"{name}/time N=1", "ms", [1.0, 2.0, 3.0], peer=[4.0, 8.0, 12.0], exact=True, notes="words")
        if name == "broken":
            raise InstructSeqError("the cable is\nloose")
        for amount in (1, 2):
            yield measured_row(f"{name}/samples N={amount}", "ms", [5.0], peer=[5.0 * amount], exact=False)

    return measure


def made_up_report(setting: Setting) -> Report:
    return run(["broken", "growth"], setting, find=made_up)


def test_a_section_that_fails_leaves_its_rows_and_a_reason_and_the_next_goes_on(
    make_setting: Callable[..., Setting],
) -> None:
    report = made_up_report(make_setting())
    assert [row.name for row in report.rows] == [
        *("broken/time N=1", "broken/not measured"),
        *("growth/time N=1", "growth/samples N=1", "growth/samples N=2"),
    ]
    assert report.rows[1].notes == "not measured: the cable is loose"
    assert report.preset == "smallest"
    assert report.machine.threads >= 1
    assert "torch" in report.machine.versions


def test_what_was_measured_is_handed_over_after_every_section(make_setting: Callable[..., Setting]) -> None:
    kept: list[Report] = []
    run(["broken", "growth"], make_setting(), find=made_up, keep=kept.append)
    assert [len(report.rows) for report in kept] == [2, 5]


def test_the_table_shows_what_is_in_the_rows(make_setting: Callable[..., Setting]) -> None:
    console = Console(file=io.StringIO(), width=140)
    show(made_up_report(make_setting()), console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    line = next(line for line in shown.splitlines() if line.startswith(("│ time N=1", "┃ time N=1")))
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells == ["time N=1", "2", "1.5 – 2.5", "8", "ms", "4", "yes", "3"]
    assert "NO" in shown
    assert "limit" not in shown  # no row has one
    assert "not measured: the cable is loose" in shown


def test_plots_are_pictures_with_something_in_them(make_setting: Callable[..., Setting], tmp_path: Path) -> None:
    files = draw_plots(made_up_report(make_setting()), tmp_path / "plots")
    assert [file.name for file in files] == ["bench-ratios.png", "bench-growth.png", "bench-spread.png"]
    for file in files:
        with Image.open(file) as picture:
            assert np.asarray(picture.convert("L")).std() > 1


def test_without_rows_nothing_is_drawn(make_setting: Callable[..., Setting], tmp_path: Path) -> None:
    assert draw_plots(run([], make_setting()), tmp_path) == []
