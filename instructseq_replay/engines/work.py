"""The work of a run as every engine gets it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from instructseq_replay.engines.shards import Recording
from instructseq_replay.evaluation import Answerer
from instructseq_replay.instructions import Instructions

Progress = Callable[[int, int], None]
"""Told how many more frames are finished, and how many of these were finished before this run."""


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """Which model to load, in whatever process: arguments of `model_answers.ModelAnswerer`."""

    folder: Path
    device: str
    threads: int
    backend: str | None = None

    def load(self) -> Answerer:
        """Load it.

        Raises:
            InstructSeqError: it cannot be loaded.
        """
        from instructseq_replay.model_answers import ModelAnswerer

        return ModelAnswerer(self.folder, device=self.device, threads=self.threads, backend=self.backend)


@dataclass(frozen=True, kw_only=True)
class Work:
    """All that is to be done.

    Attributes:
        recordings: the bags.
        instructions: what to ask of each frame.
        load_model: gives the model; can be sent to other processes.
        journals: folder of the journals, seen by all machines under this path.
        workers: processes, of engines that have several.
        needs_gpu: whether each of them needs a GPU of its own.
    """

    recordings: tuple[Recording, ...]
    instructions: Instructions
    load_model: Callable[[], Answerer]
    journals: Path
    workers: int
    needs_gpu: bool = False
