"""Resumable training states: model, optimiser and average as safetensors, progress as JSON, replaced as a whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from instructseq_model.errors import CheckpointError

TENSORS, PROGRESS = "tensors.safetensors", "progress.json"


def save_state(
    folder: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: Mapping[str, Tensor],
    progress: Mapping[str, Any],
) -> None:
    """Write a state beside the old one, then put it in its place."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.items()}
    for index, held in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in held.items()}
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file({name: value.detach().contiguous() for name, value in tensors.items()}, partial / TENSORS)
    (partial / PROGRESS).write_text(json.dumps(dict(progress)))
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_state(
    folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, average: dict[str, Tensor]
) -> dict[str, Any]:
    """Read a state into model, optimiser and average; returns the progress.

    Raises:
        CheckpointError: the state is damaged, or of another model.
    """
    try:
        tensors = load_file(folder / TENSORS)
        progress: dict[str, Any] = json.loads((folder / PROGRESS).read_text())
        model.load_state_dict(_below(tensors, "model."))
        average.update(_below(tensors, "average."))
        held: dict[int, dict[str, Tensor]] = {}
        for name, value in _below(tensors, "optimiser.").items():
            index, _, part = name.partition(".")
            held.setdefault(int(index), {})[part] = value
        optimiser.load_state_dict({"state": held, "param_groups": optimiser.state_dict()["param_groups"]})
    except (SafetensorError, OSError, RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"cannot resume from {folder} ({error}); delete it to start anew") from error
    return progress


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
