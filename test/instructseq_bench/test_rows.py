"""Rows from measurements, and the JSON file."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from instructseq_bench.rows import Machine, Report, Row, Spreads, measured_row, read_report, report_schema, write_report
from instructseq_model.errors import ConfigError

COLUMNS = {"name", "ours", "peer", "unit", "ratio", "limit", "share_of_limit", "exact", "spread", "notes"}


def report(*rows: Row) -> Report:
    machine = Machine(
        processor="a processor",
        cores=2,
        threads=2,
        load=(0.5, 1.0),
        device="cpu",
        device_name="",
        versions={"torch": "2.9"},
    )
    return Report(preset="quick", seconds=12.5, machine=machine, rows=rows)


def test_a_rate_is_held_against_peer_and_limit() -> None:
    row = measured_row("a/b", "steps/s", [80, 90, 100], peer=[10, 15, 20], limit=180, exact=True)
    assert (row.ours, row.peer, row.ratio, row.share_of_limit) == (90, 15, 6, 0.5)
    assert row.spread.ours is not None
    assert (row.spread.ours.lower, row.spread.ours.upper, row.spread.ours.repetitions) == (85, 95, 3)


def test_a_time_is_held_against_peer_and_limit_the_other_way_round() -> None:
    row = measured_row("a/b", "ms", [4.0], peer=[20.0], limit=3.0)
    assert (row.ratio, row.share_of_limit) == (5.0, 0.75)


def test_without_peer_and_limit_there_is_no_ratio_and_no_share() -> None:
    row = measured_row("a/b", "ms", [4.0])
    assert (row.peer, row.ratio, row.limit, row.share_of_limit, row.spread.peer) == (None,) * 5


def test_two_measurements_have_a_median_and_no_quartiles() -> None:
    row = measured_row("a/b", "ms", [4.0, 6.0], peer=[8.0, 12.0])
    assert (row.ours, row.peer, row.ratio) == (5.0, 10.0, 2.0)
    assert row.spread == Spreads()


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(ConfigError, match="furlongs"):
        Row(name="a/b", ours=1.0, unit="furlongs")


def test_a_report_comes_back_from_its_file(tmp_path: Path) -> None:
    written = report(
        measured_row("a/b", "ms", [1.0, 2.0, 3.0], peer=[3.0, 4.0, 5.0], exact=True, notes="words"),
        Row(name="a/c", ours=None, unit="s", notes="not measured"),
    )
    write_report(written, tmp_path / "new" / "bench.json")
    assert read_report(tmp_path / "new" / "bench.json") == written


def test_the_file_has_every_column_and_follows_the_schema(tmp_path: Path) -> None:
    write_report(report(measured_row("a/b", "ms", [1.0])), tmp_path / "bench.json")
    values = json.loads((tmp_path / "bench.json").read_text())
    assert set(values["rows"][0]) == COLUMNS
    jsonschema.validate(values, report_schema())
    del values["rows"][0]["name"]
    with pytest.raises(jsonschema.ValidationError, match="name"):
        jsonschema.validate(values, report_schema())


@pytest.mark.parametrize(("text", "said"), [("[]", "no report"), ("{", "no report"), (None, "there is no file")])
def test_what_is_no_report_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "bench.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_report(file)


def test_a_report_of_another_format_is_refused(tmp_path: Path) -> None:
    write_report(report(), tmp_path / "bench.json")
    values = json.loads((tmp_path / "bench.json").read_text())
    (tmp_path / "bench.json").write_text(json.dumps(values | {"format": 99}))
    with pytest.raises(ConfigError, match="format 99"):
        read_report(tmp_path / "bench.json")
