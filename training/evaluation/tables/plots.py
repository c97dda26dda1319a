"""Plots beside a table: the curve over samples, a confidence map (the paper's Figure 3), a calibration diagram."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_model.label_sets import label_set
from instructseq_training.evaluation.answers import Answer
from instructseq_training.evaluation.cases import Case
from instructseq_training.evaluation.measures import calibration_error
from instructseq_training.evaluation.tables.measuring import Measured, statistics_of
from instructseq_training.evaluation.tables.specification import Row, Table
from instructseq_training.evaluation.tables.writing import Result


def draw_plots(
    table: Table, results: Sequence[Result], measured: Sequence[tuple[Row, Measured]], out: Path
) -> list[Path]:
    """Draw what a table allows; each plot is a PNG named after the table.

    A curve where it varies the samples; calibration and confidence where its rows have an ECE, of the last such row.

    Args:
        table: its specification.
        results: its numbers.
        measured: its rows that were measured.
        out: folder; must exist.

    Returns:
        The files written.
    """
    files = []
    if len({result.samples for result in results if result.row.samples is not None}) > 1:
        files.append(out / f"table-{table.number}-samples.png")
        draw_curve(results, files[-1])
    calibrated = [one for row, one in measured if row.metric == "ece"]
    if calibrated:
        files.append(out / f"table-{table.number}-calibration.png")
        draw_calibration(statistics_of(calibrated[-1], "ece").sum(0), files[-1])
        if calibrated[-1].first is not None and calibrated[-1].first[1].classes is not None:
            files.append(out / f"table-{table.number}-confidence.png")
            draw_confidence(*calibrated[-1].first, files[-1])
    return files


def draw_curve(results: Sequence[Result], file: Path) -> None:
    """Scores over the number of samples, the paper's dashed in the same colour."""
    figure, axes = _figure(width=8, height=4)
    groups: dict[str, list[Result]] = {}
    for result in results:
        if result.row.metric != "ece":
            title = f"{result.row.dataset} {result.row.task.value}, {result.row.measure.title}"
            groups.setdefault(title, []).append(result)
    for title, group in groups.items():
        ours = [(r.samples, r.ours) for r in group if r.ours is not None]
        line = axes.plot([n for n, _ in ours], [value for _, value in ours], "o-", label=title)[0]
        paper = [(r.samples, r.paper.value) for r in group if r.paper is not None]
        if paper:
            label = f"paper, {next(r.paper.dataset for r in group if r.paper is not None)}"
            axes.plot(*zip(*paper, strict=True), "--", color=line.get_color(), alpha=0.6, label=label)
    axes.set_xlabel("samples N")
    axes.set_ylabel("percent")
    figure.legend(fontsize=7, loc="outside right upper")
    _save(figure, file)


def draw_calibration(sums: NDArray[np.float64], file: Path) -> None:
    """Accuracy over confidence by bins, with the expected calibration error.

    Args:
        sums: 3B: counts, sums of confidences, counts of right pixels.
        file: a PNG.
    """
    counts, confidences, right = np.split(sums, 3)
    figure, axes = _figure(width=4.5, height=4.5)
    there = counts > 0
    edges = np.linspace(0, 1, len(counts) + 1)[:-1]
    width = 1 / len(counts)
    axes.bar(edges[there], right[there] / counts[there], width=width, align="edge", edgecolor="white", label="accuracy")
    axes.plot(confidences[there] / counts[there], right[there] / counts[there], "ko", markersize=3, label="bins")
    axes.plot([0, 1], [0, 1], "--", color="grey", label="calibrated")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("confidence")
    axes.set_ylabel("accuracy of pixels")
    axes.set_title(f"ECE {100 * float(calibration_error(sums)):.1f} % over {int(counts.sum())} pixels", fontsize=9)
    axes.legend(fontsize=7, loc="upper left")
    _save(figure, file)


def draw_confidence(case: Case, answer: Answer, file: Path) -> None:
    """Image, map and confidence side by side; as in the paper yellow is unsure and purple is sure."""
    assert answer.classes is not None
    assert answer.confidence is not None
    figure, axes = _figure(width=9, height=3, columns=3)
    axes[0].imshow(case.image)
    axes[1].imshow(label_set(answer.label_set or case.label_set).all_colours[answer.classes])
    drawn = axes[2].imshow(answer.confidence, cmap="viridis_r", vmin=0, vmax=1)
    figure.colorbar(drawn, ax=axes[2], fraction=0.046)
    for one, title in zip(axes, ("image", case.instruction, "confidence"), strict=True):
        one.set_title(title, fontsize=8)
        one.set_axis_off()
    _save(figure, file)


def _figure(*, width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    """A figure that needs no display, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, columns)


def _save(figure: Any, file: Path) -> None:
    figure.savefig(file, dpi=120)
