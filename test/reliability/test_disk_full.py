"""A disk that fills up while `instructseq replay` writes: said in words, and the same command goes on later."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from instructseq_model.checkpoint_folders import find_checkpoint
from instructseq_model.errors import CheckpointError
from instructseq_replay.command import Request, run_replay
from instructseq_replay.disk import DiskFullError
from instructseq_replay.engines.local import run_local
from instructseq_replay.engines.work import Work
from instructseq_replay.instructions import read_instructions
from instructseq_replay.journal import JournalError
from instructseq_replay.run import make_plan
from instructseq_replay.run_folder import RunFolder, RunSource, model_identity

from ..instructseq_replay import threshold
from ..instructseq_replay.conftest import make_bag  # noqa: F401 - a fixture
from .program import ROOT, environment

pytestmark = pytest.mark.skipif(not os.environ.get("AMENT_PREFIX_PATH"), reason="no ROS 2 environment in this shell")

FRAMES = 8
ASK = "instructions: [{id: mark, say: mark it in green}]"
TABLE = ROOT / "demo" / "table"


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The system refuses to let a file grow above so many bytes, as a disk does that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Runs:
    """Runs of one bag with the model that can be computed by hand, in one folder each."""

    def __init__(self, bag: Path, ask: Path, model: Path) -> None:
        self.bag, self.ask, self.model = bag, ask, model

    def evaluate(self, out: Path) -> list[int]:
        """Get the frames into the journal; tells for each whether it was done before."""
        plan, folder = make_plan([self.bag], read_instructions(self.ask), None), RunFolder(out)
        identity = model_identity(self.model)
        folder.claim(
            RunSource.of(dict(plan.bags), plan.instructions, model=identity, way="offline", threads=1, device="cpu")
        )
        told: list[int] = []
        work = Work(
            recordings=plan.recordings,
            instructions=plan.instructions,
            load_model=partial(threshold.slow, 0.0),
            journals=folder.journals,
            workers=1,
        )
        run_local(work, lambda count, before: told.append(before))
        return told

    def finish(self, out: Path) -> None:
        """The rest of `instructseq replay`, which finds all frames done."""
        request = Request(
            bags=(self.bag,), instructions=self.ask, truth=(), out=out, checkpoint=self.model, device="cpu",
            threads=1, against=None, rate=None, engine="local", workers=1, worst=2,
        )  # fmt: skip
        run_replay(request, console=Console(quiet=True))


@pytest.fixture
def runs(make_bag: Callable[..., Path], tmp_path: Path) -> Runs:  # noqa: F811
    ask, model = tmp_path / "ask.yaml", tmp_path / "model"
    ask.write_text(ASK)
    model.mkdir()
    return Runs(make_bag(frames=FRAMES), ask, model)


def results(out: Path) -> dict[str, bytes]:
    """All that must not depend on the clock."""
    folder = RunFolder(out)
    found = [folder.answers, folder.summary, *sorted(path for path in folder.results.rglob("*") if path.is_file())]
    return {str(path.relative_to(out)): path.read_bytes() for path in found}


def test_journal_without_room_keeps_what_is_finished(runs: Runs, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    runs.evaluate(whole)
    (journal,) = (whole / "journal").iterdir()
    with largest_file(journal.stat().st_size // 2), pytest.raises(JournalError, match=r"cannot be written.*make room"):
        runs.evaluate(out)
    told = runs.evaluate(out)
    assert len(told) == FRAMES
    assert 2 <= sum(told) < FRAMES
    assert told == sorted(told, reverse=True)  # first those that were done before
    runs.finish(whole)
    runs.finish(out)
    assert results(out) == results(whole)


def test_results_without_room_are_written_by_the_same_command_later(runs: Runs, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    for folder in (whole, out):
        runs.evaluate(folder)
    runs.finish(whole)
    bag = next((whole / "results").rglob("*.mcap")).stat().st_size
    report = RunFolder(whole).report.stat().st_size
    assert report > max(bag, RunFolder(whole).answers.stat().st_size)
    for size in (bag // 2, report // 2):  # the bag of answers is cut off, then the report
        with largest_file(size), pytest.raises(DiskFullError, match=r"File too large.*give the same command again"):
            runs.finish(out)
        assert not RunFolder(out).report.exists()
    runs.finish(out)
    assert results(out) == results(whole)
    assert RunFolder(out).report.stat().st_size > 0


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_program_on_a_full_disk_goes_on_when_it_has_room(tmp_path: Path, note: Callable[..., Any]) -> None:
    try:
        find_checkpoint("household")
    except CheckpointError:
        pytest.skip("no checkpoint is shipped here")
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a small disk of their own")
    ask = tmp_path / "ask.yaml"
    ask.write_text('period: 1\ninstructions:\n  - {id: heels, say: "Where are the black high heels?"}\n')
    replay = f"{sys.executable} {ROOT}/scripts/instructseq replay {TABLE} --instructions {ask} --out"
    (tmp_path / "small").mkdir()
    script = f"""
        {replay} {tmp_path}/whole || exit 9
        size=$(du -sb {tmp_path}/whole/journal | cut -f1)
        mount -t tmpfs -o size=$((size / 2)) tmpfs {tmp_path}/small
        {replay} {tmp_path}/small/out; echo "first: $?"
        mount -o remount,size=256m {tmp_path}/small
        {replay} {tmp_path}/small/out; echo "second: $?"
        cp -r {tmp_path}/small/out {tmp_path}/out
    """
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", script], env=environment(), capture_output=True, text=True, check=False
    )
    shown = " ".join((done.stdout + done.stderr).split())
    note(output=shown[-2500:])
    assert "first: 2" in shown
    assert "cannot be written (No space left on device): make room" in shown
    assert "second: 0" in shown
    assert results(tmp_path / "out") == results(tmp_path / "whole")
