"""The quick preset as CI runs it, on a tiny model: its rows, their spread, and a word on every aim."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import jsonschema
import pytest

from instructseq_bench.aims import AIMS
from instructseq_bench.presets import QUICK
from instructseq_bench.rows import Report, report_schema, write_report
from instructseq_bench.run import run
from instructseq_bench.setting import Setting

SECTIONS = ("paper", "maps", "tasks", "growth")
"""Those that start no processes; the others have tests of their own."""

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def report(make_setting: Callable[..., Setting]) -> Report:
    """With a shorter time for each measurement, so that only the least rounds are made."""
    return run(SECTIONS, make_setting(preset=replace(QUICK, seconds=0.01)))


def test_quick_measures_three_times_and_says_of_every_aim_how_it_stands(report: Report, tmp_path: Path) -> None:
    rows = {row.name: row for row in report.rows}
    assert len(rows) == len(report.rows)
    assert set(rows) == {
        *("paper/bandwidth", "paper/token by token N=1", "paper/token by token N=10", "paper/cost of N=10"),
        "paper/map N=10",
        *(f"maps/single/segmentation/stale {what} N=1" for what in ("passes", "time")),
        *(f"maps/stream/segmentation/previous {what} N=1" for what in ("passes", "time")),
        *(f"tasks/torch/{task} N=1" for task in ("segmentation", "detection", "caption")),
        *("growth/samples N=1", "growth/samples N=4", "growth/image 320x240", "growth/image 1280x960"),
        *(f"growth/{what} {count}" for what in ("instructions", "cameras") for count in (1, 2)),
    }
    for row in report.rows:
        spreads = [one for one in (row.spread.ours, row.spread.peer) if one is not None]
        assert all(one.repetitions >= 3 for one in spreads), row.name
        assert (row.spread.ours is None) == (row.ours is None), row.name
        assert all(one.lower <= one.median <= one.upper for one in spreads), row.name
    for aim in AIMS:
        if aim.rows.partition("/")[0] in SECTIONS:
            told = [row.notes for row in report.rows if fnmatchcase(row.name, aim.rows)]
            assert told, aim
            assert all("aim" in notes for notes in told), aim
    for row in report.rows:
        assert ("missed (" in row.notes) == ("why: " in row.notes), row.name
    write_report(report, tmp_path / "bench.json")
    jsonschema.validate(json.loads((tmp_path / "bench.json").read_text()), report_schema())
