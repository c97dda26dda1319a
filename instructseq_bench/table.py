"""The report as a table for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from instructseq_bench.rows import Report, Row


def show(report: Report, console: Console) -> None:
    """Print a table a section, then the notes of its rows."""
    machine = report.machine
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    console.print(
        f"preset {report.preset}, {report.seconds:.0f} s; {machine.device_name or machine.processor}, {machine.cores} "
        f"cores, {machine.threads} threads, load {machine.load[0]:.1f} to {machine.load[1]:.1f}; {versions}"
    )
    if is_busy(report):
        console.print("Other programs ran beside this one: compare ratios, not absolute numbers.", style="yellow")
    for section in dict.fromkeys(row.name.partition("/")[0] for row in report.rows):
        rows = [row for row in report.rows if row.name.startswith(f"{section}/")]
        console.print(_table(section, rows))
        for row in rows:
            if row.notes:
                console.print(f"[bold]{row.name.partition('/')[2]}[/]: {row.notes}", style="dim", highlight=False)


def is_busy(report: Report) -> bool:
    """Whether others wanted cores before the run began."""
    return report.machine.load[0] > 0.5


def _table(section: str, rows: list[Row]) -> Table:
    table = Table(title=section, title_justify="left", title_style="bold")
    table.add_column("name", overflow="fold")
    for title in ("ours", "quartiles", "peer", "unit", "ratio", "limit", "share", "exact", "n"):
        table.add_column(title, justify="left" if title == "unit" else "right", no_wrap=True)
    for row in rows:
        held = row.spread.ours
        table.add_row(
            row.name.partition("/")[2],
            _number(row.ours),
            f"{_number(held.lower)} – {_number(held.upper)}" if held and held.repetitions > 1 else "",
            _number(row.peer),
            row.unit,
            _number(row.ratio),
            _number(row.limit),
            "" if row.share_of_limit is None else f"{100 * row.share_of_limit:.0f} %",
            {True: "yes", False: "NO", None: ""}[row.exact],
            str(held.repetitions) if held else "",
        )
    return table


def _number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
