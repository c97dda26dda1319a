"""The rows of the result, and the report that holds them: what `--json` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from instructseq_bench.statistics import QUARTILES_NEED, UNITS, Spread, gain, paired_gain, spread
from instructseq_model.errors import ConfigError

FORMAT = 1
"""Of the JSON file; raised when a column changes its meaning."""


@dataclass(frozen=True, kw_only=True)
class Spreads:
    """Of both sides of a row; None where a side was measured fewer than `QUARTILES_NEED` times."""

    ours: Spread | None = None
    peer: Spread | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement.

    Attributes:
        name: `section/what`, unique in a report.
        ours: median of what this program does, in `unit`; None where it could not be measured.
        peer: median of what it is held against, in the same run; None where there is none.
        unit: one of `statistics.UNITS`.
        ratio: how many times as good ours is as the peer, median of the rounds' own ratios; above 1 is better.
        limit: what cannot be passed, in `unit`: what the measured bandwidth allows, say.
        share_of_limit: how much of that is reached, 1 for all of it.
        exact: whether ours gave the very result of the peer; None where results are not compared.
        spread: quartiles and repetitions.
        notes: what the peer is, and why an aim was missed.
    """

    name: str
    ours: float | None
    unit: str
    peer: float | None = None
    ratio: float | None = None
    limit: float | None = None
    share_of_limit: float | None = None
    exact: bool | None = None
    spread: Spreads = Spreads()
    notes: str = ""

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ConfigError(f"unit {self.unit!r} of row {self.name!r} is none of {', '.join(UNITS)}")

    def noted(self, *words: str) -> Row:
        """The same row with more notes."""
        return replace(self, notes="; ".join(part for part in (self.notes, *words) if part))


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where it was measured.

    Attributes:
        processor: its name.
        cores: that the process may use.
        threads: of PyTorch.
        load: processes that wanted a core during the last minute, when the run began and when it ended.
        device: cpu, cuda or cuda:N.
        device_name: of the GPU; empty on a CPU.
        versions: of what decides speed.
    """

    processor: str
    cores: int
    threads: int
    load: tuple[float, float]
    device: str
    device_name: str
    versions: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Report:
    """One run.

    Attributes:
        format: `FORMAT`.
        preset: its name.
        seconds: that the run took.
        machine: where.
        rows: in the order of their sections.
    """

    preset: str
    seconds: float
    machine: Machine
    rows: tuple[Row, ...]
    format: int = FORMAT


def measured_row(
    name: str,
    unit: str,
    ours: Sequence[float],
    *,
    peer: Sequence[float] | None = None,
    limit: float | None = None,
    exact: bool | None = None,
    notes: str = "",
) -> Row:
    """A row of measurements; those of the peer were made in the same rounds.

    Raises:
        ConfigError: there are none, or not as many of both.
    """
    own, other = spread(ours), None if peer is None else spread(peer)
    return Row(
        name=name,
        unit=unit,
        ours=own.median,
        peer=None if other is None else other.median,
        ratio=None if peer is None else paired_gain(ours, peer, unit),
        limit=limit,
        share_of_limit=None if limit is None else gain(own.median, limit, unit),
        exact=exact,
        spread=Spreads(ours=_told(own), peer=_told(other)),
        notes=notes,
    )


def _told(found: Spread | None) -> Spread | None:
    return found if found is not None and found.repetitions >= QUARTILES_NEED else None


def write_report(report: Report, file: Path) -> None:
    """Write a report as JSON; folders are made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(TypeAdapter(Report).dump_json(report, indent=2) + b"\n")


def read_report(file: Path) -> Report:
    """Read what `write_report` wrote.

    Raises:
        ConfigError: there is no such file, or it is no report of this format.
    """
    if not file.is_file():
        raise ConfigError(f"there is no file {file}: write one with `instructseq bench --json {file}`")
    try:
        report = TypeAdapter(Report).validate_json(file.read_bytes())
    except ValidationError as error:
        raise ConfigError(f"{file} is no report of `instructseq bench` ({error.errors()[0]['msg']})") from error
    if report.format != FORMAT:
        raise ConfigError(f"{file} has format {report.format}, this program reads {FORMAT}: measure anew")
    return report


def report_schema() -> dict[str, Any]:
    """The JSON schema of the file."""
    return TypeAdapter(Report).json_schema(mode="serialization")
