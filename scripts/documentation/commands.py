"""The shell commands of the documentation: found in its pages, and run as a reader would run them.

Every command stands in a fenced block of the language `bash`. Its title, which readers see, says what is special:

    ```bash                                                    run with every change, after the page's earlier blocks
    ```bash title="leave it running"                           runs on while the later blocks are run
    ```bash title="takes two minutes"                          run nightly
    ```bash title="not run by the tests: needs a Jetson"       not run, with the reason
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^( *)```([a-z]*)( .*)?$")
SETTLE_SECONDS = 2.0
"""What is left running is given so long before the next block; commands that need more wait for it themselves."""


class When(Enum):
    """When a block is run."""

    ALWAYS = "with every change"
    BACKGROUND = "beside the later ones"
    NIGHTLY = "nightly"
    NEVER = "not by the tests"


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block.

    Attributes:
        page: the file.
        line: of its opening, from 1.
        language: empty where it names none.
        title: as readers see it.
        code: what is between the fences.
    """

    page: Path
    line: int
    language: str
    title: str
    code: str

    @property
    def when(self) -> When:
        """When it is run.

        Raises:
            ValueError: the title is none of those that this module's docstring lists.
        """
        if not self.title:
            return When.ALWAYS
        if self.title.startswith("leave it running"):
            return When.BACKGROUND
        if self.title.startswith("takes "):
            return When.NIGHTLY
        if re.match(r"not run by the tests: \S.{8,}", self.title):
            return When.NEVER
        raise ValueError(f"{self.page}:{self.line}: {self.title!r} does not say when the block is run")

    @property
    def commands(self) -> list[str]:
        """Its commands, one a line, without comments; continued lines are joined."""
        lines = self.code.replace("\\\n", " ").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def pages() -> list[Path]:
    """The README and all pages of the site."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    opened: tuple[int, re.Match[str]] | None = None
    code: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        if opened is None and fence:
            opened, code = (number, fence), []
        elif opened is not None and line.strip() == "```":
            start, first = opened
            title = re.search(r'title="(.*?)"', first[3] or "")
            found.append(
                Block(
                    page=page,
                    line=start,
                    language=first[2],
                    title=title[1] if title else "",
                    code="\n".join(held.removeprefix(first[1]) for held in code),
                )
            )
            opened = None
        elif opened is not None:
            code.append(line)
    return found


def words(command: str) -> list[str]:
    """A command's words, as a shell splits them; comments are dropped."""
    return shlex.split(command, comments=True)


@contextmanager
def clone(folder: Path) -> Iterator[Path]:
    """A folder that looks like a fresh clone after setup, so that what commands write lands nowhere else."""
    for entry in ROOT.iterdir():
        if entry.name not in ("out", ".git", "site"):
            (folder / entry.name).symlink_to(entry)
    # "A photograph of yours" in the pages.
    shutil.copy(ROOT / "docs" / "images" / "desk.jpg", folder / "desk.jpg")
    yield folder


def run(chosen: Iterable[Block], folder: Path, *, seconds: float) -> None:
    """Run blocks in order, in one folder; what is left running ends with the last of them.

    Args:
        chosen: blocks of one page.
        folder: as `clone` makes it.
        seconds: longest time of a block.

    Raises:
        AssertionError: one failed; the message has its output.
    """
    environment = os.environ | {"ROS_DOMAIN_ID": str(1 + os.getpid() % 100), "HF_HUB_OFFLINE": "1", "COLUMNS": "120"}
    running: list[tuple[Block, subprocess.Popen[bytes], Path]] = []
    try:
        for number, block in enumerate(chosen):
            log = folder / f"block-{number}.txt"
            process = _start(block, folder, log, environment)
            if block.when is When.BACKGROUND:
                running.append((block, process, log))
                time.sleep(SETTLE_SECONDS)
            else:
                _wait(block, process, log, seconds)
            for background, one, its_log in running:
                assert one.poll() is None, _failure(background, its_log, "ended by itself")
    finally:
        for _, process, _ in running:
            _stop(process)


def _start(block: Block, folder: Path, log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    script = f"set -eo pipefail\n. scripts/env.sh\n{block.code}\n"
    with log.open("wb") as stream:
        return subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(block: Block, process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        _stop(process)
        raise AssertionError(_failure(block, log, f"took more than {seconds:g} s")) from None
    assert status == 0, _failure(block, log, f"ended with {status}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                continue


def _failure(block: Block, log: Path, what: str) -> str:
    return f"{block.page}:{block.line} {what}:\n{block.code}\n---\n{log.read_text(errors='replace')[-3000:]}"
