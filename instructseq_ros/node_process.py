"""The node in a process of its own, with its output kept in a file. Nothing here imports ROS."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from instructseq_model.errors import InstructSeqError

STOP_SECONDS = 10.0
_LAST_LINES = 6


class NodeError(InstructSeqError):
    """The node stopped, or never began to listen."""


class NodeProcess:
    """Runs the node from entering the context to leaving it.

    Args:
        command: that starts it.
        log: file for what it prints.
    """

    def __init__(self, command: Sequence[str], *, log: Path) -> None:
        self._command, self._log = list(command), log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> NodeProcess:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, env=os.environ
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Check that the node is still running.

        Raises:
            NodeError: it stopped; the message ends with the last lines that it printed.
        """
        if self._process is not None and self._process.poll() is not None:
            raise NodeError(f"the node stopped with exit code {self._process.returncode}; {self.last_words()}")

    def last_words(self) -> str:
        """Where the node's log is, and how it ends."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
        return f"{self._log} says: {' | '.join(lines)}"
