"""The node in a process of its own, with its output kept in a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from instructseq_cli.demo.ros_side import CAMERA_TOPIC
from instructseq_model.errors import InstructSeqError

STOP_SECONDS = 10.0
_LAST_LINES = 6


class NodeError(InstructSeqError):
    """The node stopped, or never started to listen."""


class NodeProcess:
    """Runs `instructseq node` from entering the context to leaving it.

    Args:
        checkpoint: folder or name of a checkpoint.
        device: cpu, cuda or cuda:N.
        log: file for what the node prints.
    """

    def __init__(self, *, checkpoint: str, device: str, log: Path) -> None:
        self._log = log
        program = "from instructseq_cli.main import app; app()"
        options = ["--checkpoint", checkpoint, "--device", device, "--image", CAMERA_TOPIC, "--transport", "compressed"]
        self._command = [sys.executable, "-c", program, "node", *options]
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
