"""The checkpoint's own reading of an instruction's task, without an image."""

from __future__ import annotations

from pathlib import Path

from instructseq_model.perception import Task
from instructseq_speech.evaluation import Route


def task_reader(folder: Path) -> Route:
    """A function that reads the task out of an instruction as the node would.

    Args:
        folder: of a checkpoint.

    Raises:
        CheckpointError: the folder is none.
    """
    from instructseq_model.checkpoint import load_checkpoint  # takes seconds

    model = load_checkpoint(folder)

    def read(instruction: str) -> Task:
        encoded = model.instruction.encode([instruction])
        return model.router.route(encoded.states.float(), encoded.lengths)[0].task

    return read
