"""A model that can be computed by hand: what is brighter than 200 is the thing. Also a program that replays with it.

python threshold.py BAG INSTRUCTIONS OUT SECONDS   answers each frame after so many seconds
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from instructseq_model.errors import InstructionError
from instructseq_model.perception import Box, Perception, Task
from instructseq_model.vocabulary import OutputKind
from instructseq_replay.engines.local import run_local
from instructseq_replay.engines.work import Work
from instructseq_replay.evaluation import Answerer, Outcome
from instructseq_replay.instructions import Asked, Instructions, read_instructions
from instructseq_replay.run import Outcome as RunOutcome
from instructseq_replay.run import Plan, finish, make_plan
from instructseq_replay.run_folder import RunFolder, RunSource
from instructseq_replay.truth.truth import TruthSource


def answer(image: np.ndarray, asked: Sequence[Asked], seed: int, *, seconds: float = 0.0) -> list[Outcome]:
    """What is bright: as boxes where the words begin with "where", as a caption for "describe", as a mask otherwise."""
    time.sleep(seconds)
    bright = image.min(2) > 200
    rows, columns = np.nonzero(bright)
    found: list[Outcome] = []
    for one in asked:
        common = {"instruction": one.say, "size_wh": (image.shape[1], image.shape[0]), "score": 0.75}
        timings = {"encode": 0.01, "decode": time.perf_counter() % 1, "total": 0.02}
        if one.say.startswith("refuse"):
            found.append(InstructionError("this instruction is refused"))
        elif one.say.startswith("where"):
            box = Box(
                x1=float(columns.min()),
                y1=float(rows.min()),
                x2=float(columns.max() + 1),
                y2=float(rows.max() + 1),
                score=0.9,
            )
            kind, task = OutputKind.BOXES, Task.DETECTION
            found.append(Perception(kind=kind, task=task, boxes=(box,), timings=timings, **common))
        elif one.say.startswith("describe"):
            kind, task = OutputKind.TEXT, Task.CAPTION
            found.append(Perception(kind=kind, task=task, caption="a square", timings=timings, **common))
        else:
            confidence = np.where(bright, 0.9, 0.6).astype(np.float32)
            mask = bright.astype(np.uint8)
            if "half" in one.say:
                mask[: (rows.min() + rows.max() + 1) // 2] = 0
            kind, task = OutputKind.MAP, Task.SEGMENTATION
            found.append(Perception(kind=kind, task=task, mask=mask, confidence=confidence, timings=timings, **common))
    return found


def slow(seconds: float) -> Answerer:
    """The model, which takes so many seconds a frame."""
    return partial(answer, seconds=seconds)


def evaluate(plan: Plan, folder: RunFolder, *, seconds: float = 0.0) -> list[tuple[int, int]]:
    """Do what is left of the frames; gives what the progress was told."""
    source = RunSource.of(dict(plan.bags), plan.instructions, model="threshold", way="offline", threads=1, device="cpu")
    folder.claim(source)
    told: list[tuple[int, int]] = []
    work = Work(
        recordings=plan.recordings,
        instructions=plan.instructions,
        load_model=partial(slow, seconds),
        journals=folder.journals,
        workers=2,
    )
    run_local(work, lambda count, before: told.append((count, before)))
    return told


def replay(
    bags: Sequence[Path], out: Path, instructions: Instructions, truth: TruthSource | None = None
) -> tuple[Plan, RunFolder, RunOutcome]:
    """A whole run but for the report."""
    plan, folder = make_plan(bags, instructions, truth), RunFolder(out)
    evaluate(plan, folder)
    return plan, folder, finish(plan, folder, way="offline", against=None, step=lambda line: None)


if __name__ == "__main__":
    bag, questions, target, pause = sys.argv[1:]
    evaluate(
        make_plan([Path(bag)], read_instructions(Path(questions)), None), RunFolder(Path(target)), seconds=float(pause)
    )
