"""Snapshots of a VQ-VAE's training: everything a resumed run needs, as one safetensors file, replaced atomically."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from instructseq_model.errors import CheckpointError

SNAPSHOT = "training.safetensors"


def write_snapshot(
    folder: Path, *, step: int, model: nn.Module, running: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Replace the snapshot in `folder` (made where missing); a run killed in between leaves the former one.

    Args:
        folder: of the run.
        step: steps done.
        model: its parameters, with those the optimiser holds.
        running: the codebook's running sums.
        optimizer: Adam.
    """
    tensors: dict[str, Tensor] = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"running.{name}": value for name, value in running.named_buffers()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{SNAPSHOT}.part"
    save_file({name: value.detach().contiguous() for name, value in tensors.items()}, partial, {"step": str(step)})
    os.replace(partial, folder / SNAPSHOT)


def read_snapshot(folder: Path, *, model: nn.Module, running: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Put the snapshot of `folder` into model, running sums and optimiser.

    Returns:
        The steps done; 0 where there is no snapshot, and nothing was changed.

    Raises:
        CheckpointError: the file is damaged or belongs to a model of another shape.
    """
    path = folder / SNAPSHOT
    if not path.is_file():
        return 0
    try:
        with safe_open(path, "pt") as stored:
            step = int(stored.metadata()["step"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a mapping
        model.load_state_dict(_part(tensors, "model."))
        running.load_state_dict(_part(tensors, "running."), strict=False)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: does not resume this run ({error}); choose another folder or delete it"
        ) from error
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimizer.").items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = _laid_out(value, parameters[int(index)])
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return step


def _laid_out(value: Tensor, parameter: Tensor) -> Tensor:
    """The fused Adam walks through memory, so its moments must lie there as the (channels-last) parameter does."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
