"""ROS programs in processes of their own, with their output in files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from instructseq_bench.startup import python_path
from instructseq_model.errors import InstructSeqError

STOP_SECONDS = 10.0


class RosProcess:
    """A program that runs.

    Args:
        process: it.
        log: where its output goes.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process, self._log = process, log

    def check(self) -> None:
        """Check that it still runs.

        Raises:
            InstructSeqError: it ended.
        """
        if self._process.poll() is not None:
            raise InstructSeqError(f"a process ended with exit code {self._process.returncode}: see {self._log}")


@contextmanager
def ros_process(module: str, arguments: Sequence[str], *, log: Path) -> Iterator[RosProcess]:
    """Run `python -m module` until the context is left.

    Args:
        module: with a main function.
        arguments: of the command line.
        log: file for its output.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": python_path()}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )
    try:
        yield RosProcess(process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
