"""Snapshots of a VQ-VAE's training: everything a resumed run needs, as one safetensors file, replaced atomically."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from instructseq_model.errors import CheckpointError

SNAPSHOT = "training.safetensors"

Optimizers = Mapping[str, torch.optim.Optimizer]


def write_snapshot(folder: Path, *, step: int, tensors: Mapping[str, Tensor], optimizers: Optimizers) -> None:
    """Replace the snapshot in `folder` (made where missing); a run killed in between leaves the former one.

    Args:
        folder: of the run.
        step: steps done.
        tensors: of all parts that learn, by name.
        optimizers: Adam of each part that has one, by a name without dots.
    """
    held = dict(tensors)
    for name, optimizer in optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            held |= {f"{name}.{index}.{key}": value for key, value in state.items()}
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{SNAPSHOT}.part"
    save_file({name: value.detach().contiguous() for name, value in held.items()}, partial, {"step": str(step)})
    os.replace(partial, folder / SNAPSHOT)


@torch.no_grad()
def read_snapshot(folder: Path, *, tensors: Mapping[str, Tensor], optimizers: Optimizers) -> int:
    """Put the snapshot of `folder` into the very tensors and optimisers that `write_snapshot` was given.

    Returns:
        The steps done; 0 where there is no snapshot, and nothing was changed.

    Raises:
        CheckpointError: the file is damaged or belongs to a run of another shape or with other losses.
    """
    path = folder / SNAPSHOT
    if not path.is_file():
        return 0
    try:
        with safe_open(path, "pt") as stored:
            step = int(stored.metadata()["step"])
            held = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise _misfit(path, str(error)) from error
    for name, live in tensors.items():
        if name not in held or held[name].shape != live.shape:
            raise _misfit(path, f"{name} is missing or of another shape")
    known = (*tensors, *(f"{name}." for name in optimizers))
    if extra := [name for name in held if not name.startswith(known)]:
        raise _misfit(path, f"it holds {extra[0]}, which this recipe has no use for")
    for name, live in tensors.items():
        live.copy_(held[name])
    for name, optimizer in optimizers.items():
        _restore(optimizer, {key.removeprefix(f"{name}."): v for key, v in held.items() if key.startswith(f"{name}.")})
    return step


def _restore(optimizer: torch.optim.Optimizer, held: Mapping[str, Tensor]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in held.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = _laid_out(value, parameters[int(index)])
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _laid_out(value: Tensor, parameter: Tensor) -> Tensor:
    """The fused Adam walks through memory, so its moments must lie there as the (channels-last) parameter does."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value


def _misfit(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(f"{path}: does not resume this run ({reason}); choose another folder or delete it")
