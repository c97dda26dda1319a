"""Plots of a report: ratios by row, growth, and the node's latencies."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from instructseq_bench.rows import Report, Row

GROWTH = re.compile(r"growth/(samples N=|image |instructions |cameras )(\d+)")
GROWTH_AXES = {"samples N=": "samples", "image ": "image width", "instructions ": "instructions", "cameras ": "cameras"}


def draw_plots(report: Report, folder: Path) -> list[Path]:
    """Draw what the report allows, as PNG files.

    Args:
        report: of any sections.
        folder: made if missing.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plots: dict[str, Callable[[list[Row], Path], bool]] = {
        "bench-ratios.png": _ratios,
        "bench-growth.png": _growth,
        "bench-spread.png": _times,
    }
    return [folder / name for name, draw in plots.items() if draw(list(report.rows), folder / name)]


def _ratios(rows: list[Row], file: Path) -> bool:
    """Bars of how many times as good ours is, on a logarithmic axis."""
    shown = [row for row in rows if row.ratio and not row.name.startswith("growth/")]
    if not shown:
        return False
    figure, axes = _figure(height=1 + 0.22 * len(shown))
    colours = ["tab:green" if row.ratio and row.ratio >= 1 else "tab:orange" for row in shown]
    axes.barh([row.name for row in shown], [row.ratio or 1.0 for row in shown], color=colours)
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlabel("times as good as the peer")
    figure.savefig(file, dpi=120)
    return True


def _growth(rows: list[Row], file: Path) -> bool:
    """Time over amount, and in proportion to the first amount."""
    grown: dict[str, list[tuple[int, Row]]] = {}
    for row in rows:
        found = GROWTH.match(row.name)
        if found and row.ours is not None:
            grown.setdefault(found[1], []).append((int(found[2]), row))
    if not grown:
        return False
    figure, panels = _figure(height=3, columns=len(grown), width=3.2 * len(grown))
    for axes, (what, points) in zip(np.atleast_1d(panels), grown.items(), strict=True):
        amounts = [amount for amount, _ in points]
        axes.plot(amounts, [row.ours for _, row in points], "o-", label="measured")
        axes.plot(amounts, [row.peer for _, row in points], "--", color="grey", label="in proportion")
        axes.set_xlabel(GROWTH_AXES[what])
        axes.set_ylabel("ms")
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=7)
    figure.savefig(file, dpi=120)
    return True


def _times(rows: list[Row], file: Path) -> bool:
    """Medians in milliseconds with quartiles."""
    shown = [row for row in rows if row.unit == "ms" and row.spread.ours and not row.name.startswith("growth/")]
    if not shown:
        return False
    figure, axes = _figure(height=1 + 0.22 * len(shown))
    for place, row in enumerate(shown):
        held = row.spread.ours
        assert held is not None
        axes.plot([held.lower, held.upper], [place, place], color="tab:blue", linewidth=4, alpha=0.4)
        axes.plot([held.median], [place], "o", color="tab:blue", markersize=4)
        if row.peer is not None:
            axes.plot([row.peer], [place], "x", color="tab:orange", markersize=5)
    axes.set_yticks(range(len(shown)), [row.name for row in shown], fontsize=7)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("ms: median and quartiles; cross: peer")
    figure.savefig(file, dpi=120)
    return True


def _figure(*, height: float, width: float = 8, columns: int = 1) -> tuple[Any, Any]:
    """A figure that needs no display, and its axes; an array of them for several columns."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, columns)
