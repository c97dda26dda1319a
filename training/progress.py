"""What a run says while it goes: a live table on a terminal, plain lines elsewhere, JSON lines in a file."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from instructseq_training.samples import Sample
from instructseq_training.tensorboard_log import TensorBoardLog

UNITS = {"samples_per_second": "instructions/s", "mfu": "of peak FLOP/s", "waiting": "of the time, for data"}


class Meter:
    """Averages of what steps return, with rates.

    Args:
        peak: FLOP/s that the devices of all processes could do together.
    """

    def __init__(self, *, peak: float) -> None:
        self.peak = peak
        self._recent: dict[str, list[float]] = defaultdict(list)
        self._last: dict[str, float] = {}

    def add(self, values: Mapping[str, float]) -> None:
        """Take in a step: what `Trainer.train_step` returns."""
        self._last = dict(values)
        for name, value in values.items():
            self._recent[name].append(value)

    def latest(self) -> dict[str, float]:
        """The last step's values."""
        return self._with_rates(self._last)

    def mean(self) -> dict[str, float]:
        """Means since the last call."""
        means = {name: sum(held) / len(held) for name, held in self._recent.items()}
        self._recent.clear()
        return self._with_rates(means)

    def _with_rates(self, values: Mapping[str, float]) -> dict[str, float]:
        """Add instructions a second, the share of peak FLOP/s and the share of time spent waiting for data."""
        seconds = max(values["seconds"], 1e-9)
        rates = {
            "samples_per_second": values["instructions"] / seconds,
            "mfu": values["flops"] / seconds / self.peak,
            "waiting": values["wait"] / seconds,
        }
        kept = {name: value for name, value in values.items() if name != "flops"}
        return {name: round(value, 5) for name, value in (kept | rates).items()}


class Journal:
    """Where a run's numbers go; a context, because a live table and open files have an end.

    Args:
        log: the JSON-lines file, appended to.
        tensorboard: folder of TensorBoard's files; None for none.
        speaks: whether this process writes and prints at all.
        console: to print to; None for the standard output.
    """

    def __init__(self, log: Path, *, tensorboard: Path | None, speaks: bool, console: Console | None = None) -> None:
        self.log, self.speaks = log, speaks
        self.console = console or Console()
        self._board = TensorBoardLog(tensorboard) if tensorboard is not None and speaks else None
        self._live = Live(console=self.console, auto_refresh=False) if speaks and self.console.is_terminal else None

    def __enter__(self) -> Journal:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
        if self._board is not None:
            self._board.close()

    def show(self, row: Mapping[str, Any], share: float) -> None:
        """Show a step on the live table, if there is one.

        Args:
            row: the step's values.
            share: of the run that is done, in [0, 1].
        """
        if self._live is not None:
            self._live.update(table(row, share), refresh=True)

    def write(self, row: Mapping[str, Any]) -> None:
        """Log a row with "step" in it: to the file, to TensorBoard, and as a line."""
        if not self.speaks:
            return
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(row)) + "\n")
        if self._board is not None:
            self._board.scalars(row)
        self.say(" ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))

    def samples(self, step: int, samples: list[Sample]) -> None:
        """Show answers in TensorBoard."""
        if self._board is not None:
            self._board.samples(step, samples)

    def say(self, line: str) -> None:
        """Print a line."""
        if self.speaks:
            self.console.print(line, soft_wrap=True, markup=False)


def table(row: Mapping[str, Any], share: float) -> Table:
    """The live table: how far, how fast, and the losses by task."""
    shown = Table(box=None, show_header=False, pad_edge=False)
    minutes = float(row["minutes"])
    remaining = minutes * (1 - share) / share if share > 0 else float("nan")
    bar = ProgressBar(total=1.0, completed=share, width=40)
    shown.add_row("done", bar, f"{100 * share:.1f} %, {remaining:.0f} min left")
    for name, value in row.items():
        number = f"{value:.4g}" if isinstance(value, float) else str(value)
        shown.add_row(name, number, UNITS.get(name, ""))
    return shown
