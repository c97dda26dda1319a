"""One red line instead of a traceback for everything that the caller can mend."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from instructseq_model.errors import InstructSeqError

EXIT_CODE = 2
"""Exit code of the program after an error that the caller can mend; a wrong option has the same."""


class Program(TyperGroup):
    """The commands, with `InstructSeqError` shown as one line. `--debug` shows where it came from."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command.

        Raises:
            typer.Exit: with code 2, after an `InstructSeqError` was shown.
        """
        try:
            return super().invoke(ctx)
        except InstructSeqError as error:
            if ctx.params.get("debug"):
                raise
            show(error)
            raise typer.Exit(EXIT_CODE) from None


def show(error: InstructSeqError) -> None:
    """Print an error as one red line to standard error; line breaks in its message become blanks."""
    console = Console(stderr=True, highlight=False)
    console.print(f"error: {' '.join(str(error).split())}", style="bold red", markup=False, soft_wrap=True)
