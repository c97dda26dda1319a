"""What a person sees of a generation: a bar for each kind with cost and tokens, and a table at the end."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from instructseq_training.phrasing_generation.journal import Journal
from instructseq_training.phrasing_generation.kinds import Kind


class GenerationProgress:
    """Bars on a console while it is entered.

    Args:
        kinds: one bar each.
        count: phrasings of a full bar.
        console: where to draw.
        has_price: whether to tell costs.
    """

    def __init__(self, kinds: Sequence[Kind], *, count: int, console: Console, has_price: bool) -> None:
        self._has_price = has_price
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[spent]}", style="dim"),
            console=console,
        )
        self._bars: dict[str, TaskID] = {
            kind.name: self._progress.add_task(kind.name, total=count, spent="", start=False) for kind in kinds
        }

    def __enter__(self) -> GenerationProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, kind: Kind, journal: Journal) -> None:
        """Show what a kind has by now."""
        bar = self._bars[kind.name]
        self._progress.start_task(bar)
        done = len(journal.accepted(kind.name))
        self._progress.update(bar, completed=done, spent=spent(journal, has_price=self._has_price))

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._progress.console.print(text, style="yellow", markup=False, highlight=False)


def spent(journal: Journal, *, has_price: bool) -> str:
    """Tokens and cost of everything in a journal, in words."""
    asked, answered = journal.tokens
    price = f"${journal.cost:.4f}" if has_price else "price unknown"
    return f"{asked:,} + {answered:,} tokens, {price}"


def summary(journal: Journal, kinds: Sequence[Kind]) -> Table:
    """What was accepted and what was not, by reason."""
    reasons = sorted({reason for kind in kinds for reason in journal.rejected(kind.name)})
    table = Table("", "answers", "accepted", *reasons, title="Phrasings, and those not taken by reason")
    for kind in kinds:
        rejected = journal.rejected(kind.name)
        numbers = (journal.requests(kind.name), len(journal.accepted(kind.name)), *(rejected[r] for r in reasons))
        table.add_row(kind.name, *(str(number) for number in numbers))
    return table
