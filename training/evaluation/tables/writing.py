"""A table's results as JSON for programs and Markdown for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instructseq_training.evaluation.tables.measuring import Score
from instructseq_training.evaluation.tables.specification import PaperNumber, Row, Table

COLUMNS = ("Model", "Dataset", "Task", "Metric", "N", "Condition", "Paper", "Ours", "95 %", "Cases")
DECIMALS = 4


@dataclass(frozen=True, kw_only=True)
class Result:
    """One row of a table with its numbers.

    Attributes:
        row: what was asked.
        samples: sequences drawn and aggregated an answer.
        paper: the paper's number beside it.
        score: ours.
    """

    row: Row
    samples: int
    paper: PaperNumber | None
    score: Score

    @property
    def ours(self) -> float | None:
        """In percent, as the paper prints it."""
        return None if self.score.value is None else round(100 * self.score.value, DECIMALS)

    def as_json(self) -> dict[str, Any]:
        """Plain values; scores in percent."""
        row, interval = self.row, self.score.interval
        return {
            "dataset": row.dataset,
            "split": row.split,
            "task": row.task.value,
            "metric": row.metric,
            "model": row.model,
            "condition": row.condition,
            "wording": row.wording,
            "samples": self.samples,
            "ours": self.ours,
            "paper": None if self.paper is None else self.paper.value,
            "paper_dataset": None if self.paper is None else self.paper.dataset,
            "n": self.score.count,
            "ci95": None if interval is None else [round(100 * end, DECIMALS) for end in interval],
            "note": self.score.note,
        }


def write_results(table: Table, results: Sequence[Result], out: Path) -> None:
    """Write table-N.json, a list of rows, and table-N.md into a folder; made if missing."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [result.as_json() for result in results]
    (out / f"table-{table.number}.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (out / f"table-{table.number}.md").write_text(markdown(table, results), encoding="utf-8")


def markdown(table: Table, results: Sequence[Result]) -> str:
    """The table with the paper's column beside ours, in percent; notes below.

    Where ours is measured on another dataset than the paper's, the paper's number names its own.
    """
    lines = [f"## Table {table.number}: {table.title}", "", f"| {' | '.join(COLUMNS)} |"]
    lines.append("|---|---|---|---|---:|---|---:|---:|---:|---:|")
    notes: dict[str, int] = {}
    for result in results:
        lines.append(f"| {' | '.join(_cells(result, notes))} |")
    lines += [""] + [f"[{number}] {note}" + "\n" for note, number in notes.items()]
    return "\n".join(lines).rstrip() + "\n"


def _cells(result: Result, notes: dict[str, int]) -> list[str]:
    row, paper, score = result.row, result.paper, result.score
    mark = f" [{notes.setdefault(score.note, len(notes) + 1)}]" if score.note else ""
    beside = "–" if paper is None else f"{paper.value:.2f}"
    if paper is not None and paper.dataset != row.dataset:
        beside += f" ({paper.dataset})"
    interval = "–" if score.interval is None else "{:.1f} to {:.1f}".format(*(100 * end for end in score.interval))
    return [
        row.model,
        f"{row.dataset} {row.split}",
        row.task.value,
        row.measure.title,
        "beam" if row.task.value == "caption" else str(result.samples),
        row.condition or "–",
        beside,
        ("–" if result.ours is None else f"{result.ours:.2f}") + mark,
        interval,
        str(score.count),
    ]
