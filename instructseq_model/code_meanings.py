"""What visual codes mean, kept in a file: to paint 16384 codes of the paper's VQ-VAE takes a CPU core ten minutes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from instructseq_model.errors import CheckpointError
from instructseq_model.label_sets import label_set
from instructseq_model.maps import MARKED, classes_key
from instructseq_model.runnable_model import CodeMeanings

CODE_MEANINGS = "code_meanings.safetensors"
"""Name of the file in a checkpoint and in an export: `MARKED`, bool, and `classes_key` of each label set, int64."""


def save_code_meanings(codes: CodeMeanings, label_sets: Sequence[str], file: Path) -> None:
    """Write what codes mean, painting them if nobody has before.

    Args:
        codes: that are asked.
        label_sets: names of those in which classes are wanted.
        file: written.
    """
    held = {classes_key(name): codes.code_classes(label_set(name)) for name in label_sets}
    held[MARKED] = codes.marked_codes
    save_file({name: tensor.cpu().contiguous() for name, tensor in held.items()}, file)


def load_code_meanings(file: Path, *, codes: int, label_sets: Sequence[str], advice: str) -> dict[str, Tensor]:
    """Read what `save_code_meanings` wrote.

    Args:
        file: to be read.
        codes: how many there are.
        label_sets: names of those that must be in it.
        advice: what to do if it is damaged.

    Raises:
        CheckpointError: it is damaged, or of other codes.
    """
    try:
        held: dict[str, Tensor] = load_file(file)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file} is damaged ({error}); {advice}") from error
    most = {classes_key(name): label_set(name).unlabelled for name in label_sets}
    missing = {MARKED, *most} - set(held)
    if missing:
        raise CheckpointError(f"{file} lacks {', '.join(sorted(missing))}; {advice}")
    for name, tensor in held.items():
        wanted = torch.bool if name == MARKED else torch.int64
        if tensor.shape != (codes,) or tensor.dtype != wanted:
            raise CheckpointError(f"{file}: {name} is no {wanted} for each of {codes} codes; {advice}")
        if name in most and not 0 <= int(tensor.min()) <= int(tensor.max()) <= most[name]:
            raise CheckpointError(f"{file}: {name} holds classes outside 0 to {most[name]}; {advice}")
    return held
