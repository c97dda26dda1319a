"""The model as replay asks it: fixed where speed could decide an answer, so that runs can be compared byte by byte."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instructseq_model.errors import InstructSeqError
from instructseq_model.perceiver import Perceiver
from instructseq_model.question import Question
from instructseq_replay.evaluation import Outcome
from instructseq_replay.instructions import Asked

DECODING_WINDOW = 64
"""Map tokens that a pass of the decoder checks. The model's own choice follows the clock and with it, where two scores
are equal to the last bits, the answer; a fixed one gives the same answers each time."""


class ModelAnswerer:
    """Answers by a checkpoint or an export: all instructions on an image in one batch, frame for frame.

    Args:
        folder: of either.
        device: cpu, cuda or cuda:N.
        threads: CPU threads. Sums are split by threads, so that equal results need an equal number.
        backend: None takes what the folder was written for.

    Raises:
        InstructSeqError: it cannot be loaded.
    """

    def __init__(self, folder: Path, *, device: str, threads: int, backend: str | None = None) -> None:
        self._perceiver = Perceiver.load(
            folder, device=device, threads=threads, backend=backend, window=DECODING_WINDOW
        )

    def __call__(self, image: NDArray[np.uint8], asked: Sequence[Asked], seed: int) -> list[Outcome]:
        """The answers; where one instruction spoils the batch, each is asked alone."""
        questions = [_question(image, one, seed) for one in asked]
        try:
            return list(self._perceiver.batch(questions))
        except InstructSeqError:
            return [self._alone(question) for question in questions]

    def _alone(self, question: Question) -> Outcome:
        try:
            return self._perceiver.batch([question])[0]
        except InstructSeqError as error:
            return error


def _question(image: NDArray[np.uint8], asked: Asked, seed: int) -> Question:
    return Question(
        image=image,
        instruction=asked.say,
        samples=asked.samples,
        temperature=asked.temperature,
        seed=seed,
        label_set=asked.label_set,
        task=asked.task,
    )
