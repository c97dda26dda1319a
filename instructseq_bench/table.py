"""The report as a table for people."""

from __future__ import annotations

from collections.abc import Callable

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
    """The rows of a section, without the columns that all of them leave empty."""
    table = Table(title=section, title_justify="left", title_style="bold")
    columns = {title: [cell(row) for row in rows] for title, cell in COLUMNS.items()}
    shown = {title: cells for title, cells in columns.items() if any(cells)}
    for title in shown:
        if title == "name":
            table.add_column(title, overflow="fold", min_width=24)
        else:
            table.add_column(title, justify="left" if title == "unit" else "right", no_wrap=True)
    for cells in zip(*shown.values(), strict=True):
        table.add_row(*cells)
    return table


def _quartiles(row: Row) -> str:
    held = row.spread.ours
    return f"{_number(held.lower)} – {_number(held.upper)}" if held else ""


def _number(value: float | None) -> str:
    """Three digits that count; nothing for None."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


COLUMNS: dict[str, Callable[[Row], str]] = {
    "name": lambda row: row.name.partition("/")[2],
    "ours": lambda row: _number(row.ours),
    "quartiles": _quartiles,
    "peer": lambda row: _number(row.peer),
    "unit": lambda row: row.unit,
    "ratio": lambda row: _number(row.ratio),
    "limit": lambda row: _number(row.limit),
    "share": lambda row: "" if row.share_of_limit is None else f"{100 * row.share_of_limit:.0f} %",
    "exact": lambda row: {True: "yes", False: "NO", None: ""}[row.exact],
    "n": lambda row: str(row.spread.ours.repetitions) if row.spread.ours else "",
}
"""What stands in a column, by its title."""
