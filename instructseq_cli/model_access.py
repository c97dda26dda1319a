"""The model as the commands get it: imported late, so that `--help` need not wait for PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instructseq_model.checkpoint_folders import find_checkpoint
from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task

if TYPE_CHECKING:
    from instructseq_model.perceiver import Perceiver


def load_perceiver(
    checkpoint: str,
    *,
    device: str = "cpu",
    threads: int | None = None,
    backend: str | None = None,
    precision: str = "auto",
) -> Perceiver:
    """Load a checkpoint by folder or name.

    Args:
        checkpoint: a folder, of an export too, or the name of a checkpoint that comes with the program.
        device: cpu, cuda or cuda:N.
        threads: CPU threads, 1 or more; None leaves PyTorch's own choice.
        backend: torch, torch-compiled, onnxruntime or tensorrt; None takes what the folder was written for.
        precision: of a checkpoint's weights: auto, float32, bfloat16, int8 or int4.

    Raises:
        CheckpointError: it is missing, damaged, or does not fit the program.
        ConfigError: the device or the precision does not exist there.
    """
    folder = find_checkpoint(checkpoint)
    from instructseq_model.perceiver import Perceiver

    return Perceiver.load(folder, device=device, threads=threads, backend=backend, precision=precision)


def parse_task(name: str | None) -> Task | None:
    """The task of that name; None stays None.

    Raises:
        ConfigError: there is no such task; the message lists them.
    """
    if name is None:
        return None
    try:
        return Task(name)
    except ValueError:
        raise ConfigError(f"there is no task {name!r}: give one of {', '.join(task.value for task in Task)}") from None
