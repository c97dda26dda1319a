"""The whole of `instructseq replay`, with its progress shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from instructseq_model.errors import ConfigError
from instructseq_replay.disk import room_in
from instructseq_replay.engines.table import ENGINES
from instructseq_replay.engines.work import ModelChoice, Work
from instructseq_replay.instructions import read_instructions
from instructseq_replay.report.page import write_report
from instructseq_replay.run import Outcome, Plan, finish, make_plan
from instructseq_replay.run_folder import RunFolder, RunSource, model_identity
from instructseq_replay.truth.table import AllTruth, check_meanings, truth_source


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line asks for; see its help.

    Attributes:
        rate: of playing in real time; None for offline.
    """

    bags: tuple[Path, ...]
    instructions: Path
    truth: tuple[str, ...]
    out: Path
    checkpoint: Path
    device: str
    threads: int
    against: Path | None
    rate: float | None
    engine: str
    workers: int
    worst: int


def run_replay(request: Request, *, console: Console) -> Outcome:
    """Do all of it: evaluate, score, report.

    Args:
        request: what is asked for.
        console: for progress and the closing lines.

    Raises:
        InstructSeqError: something to mend, a full disk among it.
    """
    with room_in(request.out):
        return _run(request, console)


def _run(request: Request, console: Console) -> Outcome:
    asked = read_instructions(request.instructions)
    truth = None
    if request.truth:
        truth = AllTruth([truth_source(text) for text in request.truth])
        check_meanings(asked)
    if request.engine not in ENGINES:
        raise ConfigError(f"there is no engine {request.engine!r}: use {' or '.join(ENGINES)}")
    plan = make_plan(request.bags, asked, truth)
    way = "offline" if request.rate is None else f"in real time at rate {request.rate:g}"
    folder = RunFolder(request.out)
    folder.claim(
        RunSource.of(
            dict(plan.bags),
            asked,
            model=model_identity(request.checkpoint),
            way=way,
            threads=request.threads,
            device=request.device,
        )
    )
    with _bar(console) as bar:
        task = bar.add_task("frames", total=plan.frames)
        _evaluate(request, plan, folder, lambda count: bar.advance(task, count))
        bar.update(task, total=bar.tasks[task].completed)
    outcome = finish(plan, folder, way=way, against=request.against, step=lambda line: console.print(line, style="dim"))
    other = request.against.resolve().name if request.against is not None else None
    write_report(plan, folder, outcome, model=request.checkpoint.name, other=other, worst=request.worst)
    _tell(outcome, folder, console)
    return outcome


def _evaluate(request: Request, plan: Plan, folder: RunFolder, finished: Callable[[int], None]) -> None:
    """Get every frame into the journals."""
    if request.rate is not None:
        from instructseq_replay.realtime.run import run_realtime

        run_realtime(
            plan,
            journals=folder.journals,
            checkpoint=request.checkpoint,
            device=request.device,
            threads=request.threads,
            rate=request.rate,
            finished=finished,
        )
        return
    model = ModelChoice(folder=request.checkpoint, device=request.device, threads=request.threads)
    work = Work(
        recordings=plan.recordings,
        instructions=plan.instructions,
        load_model=model.load,
        journals=folder.journals.resolve(),
        workers=request.workers,
        needs_gpu=request.device.startswith("cuda"),
    )
    ENGINES[request.engine](work, lambda count, before: finished(count))


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _tell(outcome: Outcome, folder: RunFolder, console: Console) -> None:
    """The closing lines: scores, what is missing, where the report is."""
    for name, numbers in outcome.summary["instructions"].items():
        scores = ", ".join(
            f"{score} {found['value']:.3f}" for score, found in numbers["scores"].items() if found["value"] is not None
        )
        console.print(f"{name}: {numbers['answers']} answers{f', {scores}' if scores else ''}", markup=False)
    for one in outcome.differences:
        console.print(
            f"{one.instruction}, {one.what}: {one.before:.3f} -> {one.after:.3f} ({one.verdict})", markup=False
        )
    for entry in outcome.damage:
        console.print(f"not read: {entry.file}: {entry.what}", style="red", markup=False)
    if outcome.summary["unreadable_frames"]:
        count = outcome.summary["unreadable_frames"]
        console.print(f"not read: {count} frame{'s' if count != 1 else ''}, see answers.jsonl", style="red")
    console.print(str(folder.report), style="bold", markup=False)
