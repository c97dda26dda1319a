"""Resumable training states: model, optimiser and average as safetensors, progress as JSON, replaced as a whole.

A state is written under another name, flushed to the disk, and only then takes the place of the one before it. A run
that is killed at any moment, or that fills the disk, leaves a whole state behind.

A state does not know how many processes wrote it: its tensors are whole, and any number of processes goes on from it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from instructseq_model.errors import CheckpointError
from instructseq_training.parallel import Processes, full, sharded_like
from instructseq_training.weight_average import WeightAverage

TENSORS, PROGRESS = "tensors.safetensors", "progress.json"


def optimised(model: nn.Module) -> list[nn.Parameter]:
    """Parameters in the order in which a state numbers them: matrices, then the others."""
    parameters = list(model.parameters())
    return [p for p in parameters if p.ndim >= 2] + [p for p in parameters if p.ndim < 2]


def gather_state(
    model: nn.Module, optimiser: torch.optim.Optimizer, average: WeightAverage, processes: Processes
) -> dict[str, Tensor]:
    """A state's tensors, put together by all processes at once and kept by the main one; empty for the others."""
    tensors: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> None:
        whole = full(value.detach())
        if processes.main:
            tensors[name] = whole.cpu().contiguous()

    for name, value in model.state_dict().items():
        keep(f"model.{name}", value)
    for name, value in average.whole().items():
        keep(f"average.{name}", value)
    for index, parameter in enumerate(optimised(model)):
        for name, value in optimiser.state.get(parameter, {}).items():
            keep(f"optimiser.{index}.{name}", value)
    return tensors


def write_state(folder: Path, tensors: Mapping[str, Tensor], progress: Mapping[str, Any]) -> None:
    """Put a state in the place of the one in `folder`.

    Raises:
        CheckpointError: it could not be written; the one before it is still there.
    """
    partial, old = (folder.with_name(folder.name + ending) for ending in (".partial", ".old"))
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        save_file(dict(tensors), partial / TENSORS)
        (partial / PROGRESS).write_text(json.dumps(dict(progress)), encoding="utf-8")
        for path in (partial / TENSORS, partial / PROGRESS, partial):
            _flush(path)
        if is_whole(folder):  # a damaged one must not push out the good one before it
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        else:
            shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
        _flush(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
    except (SafetensorError, OSError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise CheckpointError(
            f"cannot write the state {folder} ({error}); the one before it is kept: free some room on the disk"
        ) from error


def newest_state(folder: Path) -> Path | None:
    """Where the last whole state of a run is: `folder`, or what a killed run left beside it; None for no state at all.

    A folder that holds a damaged state is given back where there is nothing better, so that nobody starts anew unasked.
    """
    beside = [folder.with_name(folder.name + ending) for ending in (".partial", ".old")]
    for candidate in (folder, *beside):
        if is_whole(candidate):
            return candidate
    return folder if folder.exists() else None


def is_whole(folder: Path) -> bool:
    """Whether a folder holds a complete state."""
    try:
        json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
        with safe_open(folder / TENSORS, framework="pt") as held:  # type: ignore[no-untyped-call]
            return bool(held.keys())
    except (SafetensorError, OSError, RuntimeError, ValueError):  # RuntimeError: the file went away since the look
        return False


def restore_state(
    folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, average: WeightAverage
) -> dict[str, Any]:
    """Read a state into model, optimiser and average; returns the progress.

    Raises:
        CheckpointError: the state is damaged, or of another model.
    """
    try:
        tensors = load_file(folder / TENSORS)
        progress: dict[str, Any] = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
        weights = below(tensors, "model.")
        shapes = {name: value.shape for name, value in model.state_dict().items()}
        if {name: value.shape for name, value in weights.items()} != shapes:
            raise ValueError("its weights are those of another model")
        model.load_state_dict({n: sharded_like(weights[n], value) for n, value in model.state_dict().items()})
        average.take(below(tensors, "average."))
        _restore_optimiser(optimiser, optimised(model), below(tensors, "optimiser."))
    except (SafetensorError, OSError, RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"cannot resume from {folder} ({error}); delete it to start anew") from error
    return progress


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def _restore_optimiser(
    optimiser: torch.optim.Optimizer, order: Sequence[nn.Parameter], tensors: Mapping[str, Tensor]
) -> None:
    optimiser.state.clear()
    for name, value in tensors.items():
        index, _, part = name.partition(".")
        parameter = order[int(index)]
        held = value.to(parameter.device) if part == "step" else sharded_like(value, parameter)
        optimiser.state[parameter][part] = held.clone()


def _flush(path: Path) -> None:
    """Make sure that a file, or a folder's list of files, is on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
