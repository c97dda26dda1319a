"""The node and cameras as programs of their own, which can be killed; and what the kernel says of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CAMERA = Path(__file__).with_name("camera.py")
END_SECONDS = 120.0


class NodeProgram:
    """`python -m instructseq_ros.node`, started as often as wanted.

    Args:
        folder: for its parameter file and its log.
        parameters: of the node.
        program: what Python runs.
    """

    def __init__(
        self, folder: Path, parameters: dict[str, Any], *, program: Sequence[str] = ("-m", "instructseq_ros.node")
    ) -> None:
        self._program = program
        self.log = folder / "node.log"
        self._parameters = folder / "node.yaml"
        self._parameters.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **variables: str) -> float:
        """Start it, and return the moment, in seconds of the monotonic clock; environment variables by name."""
        command = [sys.executable, *self._program, "--ros-args", "--params-file", str(self._parameters)]
        moment = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env={**environment(), **variables}, stdout=log, stderr=subprocess.STDOUT
            )
        return moment

    @property
    def runs(self) -> bool:
        """Whether it is there."""
        return self._process is not None and self._process.poll() is None

    def memory(self) -> float:
        """Megabytes of resident memory that are the process's own: neither files nor what is shared with others."""
        assert self._process is not None
        for line in Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("this kernel does not tell anonymous memory")

    def threads(self) -> int:
        """How many threads it has."""
        assert self._process is not None
        return len(os.listdir(f"/proc/{self._process.pid}/task"))

    def files(self) -> int:
        """How many files and sockets it holds open."""
        assert self._process is not None
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    def processor_seconds(self) -> float:
        """What all its threads together have spent on a processor since its start."""
        assert self._process is not None
        stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime: fields 14 and 15

    def shared_memory(self) -> set[Path]:
        """Files of Fast DDS in shared memory that it has mapped."""
        assert self._process is not None
        return mapped_by(self._process.pid)

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Ask it to end, and return its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(END_SECONDS)

    def close(self) -> None:
        """See that it is gone."""
        if self.runs:
            self.kill()


class CameraProgram:
    """A camera's driver; `sent` is how many frames it published, known after its end."""

    def __init__(self, topic: str, rate: float) -> None:
        self.sent = 0
        command = [sys.executable, str(CAMERA), topic, str(rate)]
        self.process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE)

    def close(self) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.terminate()
        out, _ = self.process.communicate(timeout=END_SECONDS)
        self.sent = int(out or 0)


@contextmanager
def cameras(topics: list[str], rate: float) -> Iterator[list[CameraProgram]]:
    """One driver for each topic named, which together publish `rate` frames a second."""
    running = [CameraProgram(topic, rate / len(topics)) for topic in topics]
    try:
        yield running
    finally:
        for one in running:
            one.close()


def mapped_by(process: int) -> set[Path]:
    """Files of Fast DDS in shared memory that a process has mapped."""
    lines = Path(f"/proc/{process}/maps").read_text(encoding="utf-8").splitlines()
    return {Path(line.split()[5]) for line in lines if " /dev/shm/fast" in line}


def environment() -> dict[str, str]:
    """This process's, with the source tree first."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
