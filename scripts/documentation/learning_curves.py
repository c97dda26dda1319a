"""The learning curves of the shipped checkpoint, from the logs of its training that lie beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]

LOSSES = {"heat": "grounding", "classes": "classes", "map": "maps", "text": "captions", "boxes": "boxes"}
"""Loss in the log: what it is of."""

SCORES = {
    "free_res_oiou": "RES oIoU",
    "free_rec_accuracy": "all boxes right",
    "free_semantic_miou": "semantic mIoU",
    "free_bleu4": "BLEU-4",
}


def read_parts(logs: Sequence[Path]) -> list[list[Row]]:
    """The rows of each part, with `at`: hours since the beginning of the first."""
    parts, before = [], 0.0
    for log in logs:
        rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        for row in rows:
            row["at"] = (before + row["minutes"]) / 60
        before += max(row["minutes"] for row in rows)
        parts.append(rows)
    return parts


def smoothed(values: Sequence[float], *, width: int = 9) -> list[float]:
    """The median of each value and its neighbours, `width` in all; fewer at the ends."""
    reach = width // 2
    around = [sorted(values[max(0, n - reach) : n + reach + 1]) for n in range(len(values))]
    return [held[len(held) // 2] for held in around]


def draw(logs: Sequence[Path], file: Path) -> None:
    """Draw losses and free-running scores over the hours of all parts.

    Args:
        logs: JSON lines of each part, in order.
        file: the picture, PNG.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    parts = read_parts(logs)
    figure, (of_losses, of_scores) = pyplot.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
    for number, (name, title) in enumerate(LOSSES.items()):
        for rows in parts:
            known = [row for row in rows if name in row]
            if known:
                of_losses.plot(
                    [row["at"] for row in known],
                    smoothed([row[name] for row in known]),
                    color=f"C{number}",
                    label=title if rows is parts[-1] else None,
                )
    for number, (name, title) in enumerate(SCORES.items()):
        known = [row for rows in parts for row in rows if name in row]
        of_scores.plot(
            [row["at"] for row in known], [100 * row[name] for row in known], f"C{number}o-", markersize=4, label=title
        )
    for axes, title in ((of_losses, "loss"), (of_scores, "free-running on 16 validation frames, percent")):
        for rows in parts[1:]:
            axes.axvline(min(row["at"] for row in rows), color="0.8", zorder=0)
        axes.set(xlabel="hours of training, all parts", title=title)
    of_losses.legend(fontsize=8, loc="center right")
    of_scores.legend(fontsize=8)
    of_losses.set_yscale("log")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
