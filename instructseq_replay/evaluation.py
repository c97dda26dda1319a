"""One frame through the model: every instruction on it together, so that its answers depend on nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys.store import Typestore

from instructseq_model.errors import InstructSeqError
from instructseq_model.perception import Perception
from instructseq_replay.answers import encode_answer
from instructseq_replay.frames import RecordedFrame
from instructseq_replay.instructions import Asked, Instructions
from instructseq_replay.records import AnswerRecord, FrameRecord

Outcome = Perception | InstructSeqError
"""An answer, or why there is none."""

Answerer = Callable[[NDArray[np.uint8], Sequence[Asked], int], list[Outcome]]
"""Takes an image, H x W x 3 uint8 RGB, instructions and a seed; gives an outcome for each instruction. Equal arguments
give equal outcomes."""


def evaluate_frame(
    answerer: Answerer, frame: RecordedFrame, *, bag: str, instructions: Instructions, types: Typestore
) -> FrameRecord:
    """Ask everything of one frame.

    A frame that cannot be read and an instruction that the model refuses are noted as such.

    Args:
        answerer: the model.
        frame: the frame.
        bag: name of its bag in this run.
        instructions: what to ask.
        types: message types, also for the answers.
    """
    start, start_cpu = time.perf_counter(), time.process_time()
    try:
        header, image = frame.decode(types)
    except InstructSeqError as error:
        return FrameRecord(bag=bag, key=frame.key, problem=str(error))
    converted = time.perf_counter() - start
    outcomes = answerer(image, instructions.instructions, instructions.seed)
    spent = {"total": time.perf_counter() - start, "cpu": time.process_time() - start_cpu, "convert": converted}
    answers = {}
    for number, (asked, outcome) in enumerate(zip(instructions.instructions, outcomes, strict=True), start=1):
        if isinstance(outcome, InstructSeqError):
            answers[asked.id] = AnswerRecord(problem=str(outcome))
            continue
        answers[asked.id] = AnswerRecord(
            data=encode_answer(types, outcome, header, number=number, standing_id=asked.id),
            seconds={**outcome.timings, **spent},
        )
    size_wh = (image.shape[1], image.shape[0])
    return FrameRecord(bag=bag, key=frame.key, header=header, size_wh=size_wh, answers=answers)
