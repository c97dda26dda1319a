"""What each precision of the weights costs on this CPU, in time and in bytes, by turns.

`python -m instructseq_bench.weight_formats CHECKPOINT [THREADS]` prints milliseconds of processor time of the
checkpoint's parts, and of the decoder of the paper's size with random weights, which is where few bits pay.
"""

from __future__ import annotations

import sys
from copy import deepcopy
from pathlib import Path

import torch
from torch import nn

from instructseq_bench.paper_model import paper_model, paper_prefix
from instructseq_bench.torch_parts import Work, medians, step_name, step_work, told, torch_works
from instructseq_model.checkpoint import load_checkpoint
from instructseq_model.errors import ConfigError
from instructseq_model.model_config import load_model_config
from instructseq_model.precision import CPU_FORMATS, hold_matrices, set_precision
from instructseq_model.sequence_model import SequenceConfig

PRECISIONS = ("float32", "bfloat16", *CPU_FORMATS)
PAPER = Path("config") / "large.yaml"
PAPER_WINDOWS = ((1, 1), (4, 1), (10, 1), (1, 16))
"""Samples, and tokens of each that a pass is shown."""


def main(arguments: list[str]) -> None:
    """Measure and print."""
    checkpoint, *rest = arguments
    torch.set_num_threads(int(rest[0]) if rest else 1)
    rows: dict[str, dict[str, Work]] = {}
    for name in PRECISIONS:
        model = load_checkpoint(Path(checkpoint))
        set_precision(model, name, model.device)
        print(f"{name}: transformer {held_bytes(model.sequence.transformer) / 1e6:.1f} MB", flush=True)
        for case, work in torch_works(model).items():
            rows.setdefault(case, {})[name] = work
    for case, works in rows.items():
        print(case, told(medians(works)), sep=": ", flush=True)
    for case, works in paper_works(load_model_config(PAPER).sequence).items():
        print(f"paper size, {case}", told(medians(works)), sep=": ", flush=True)


def held_bytes(module: nn.Module) -> int:
    """Bytes of all that a module holds."""
    return sum(tensor.nbytes for tensor in module.state_dict().values())


def paper_works(config: SequenceConfig) -> dict[str, dict[str, Work]]:
    """Passes of a decoder of this size in bfloat16, with matrices in each format: by pass, then by precision."""
    plain = paper_model(config, dtype=torch.bfloat16, device="cpu")
    prefix = paper_prefix(plain)
    rows: dict[str, dict[str, Work]] = {}
    for name in ("bfloat16", *CPU_FORMATS):
        model = deepcopy(plain)
        if name in CPU_FORMATS:
            hold_matrices(model.transformer, name)
        for size in PAPER_WINDOWS:
            rows.setdefault(step_name(*size), {})[name] = step_work(model, prefix, *size)
    return rows


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise ConfigError("give a checkpoint's folder")
    main(sys.argv[1:])
