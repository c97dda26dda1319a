"""Every format of the weights can be measured, and holds as many bytes as its name says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from instructseq_bench.torch_parts import step_name, torch_works
from instructseq_bench.weight_formats import PAPER_WINDOWS, PRECISIONS, held_bytes, paper_works
from instructseq_model.checkpoint import load_checkpoint
from instructseq_model.precision import PRECISIONS as ALL
from instructseq_model.precision import hold_matrices, set_precision
from instructseq_model.sequence_model import SequenceConfig


@torch.inference_mode()
def test_a_decoder_takes_a_step_in_every_format(tiny_paper: SequenceConfig) -> None:
    rows = paper_works(tiny_paper)
    assert set(rows) == {step_name(*size) for size in PAPER_WINDOWS}
    for (samples, tokens), works in zip(PAPER_WINDOWS, rows.values(), strict=True):
        assert set(works) == {"bfloat16", "int8", "int4"}
        assert {work().shape[:2] for work in works.values()} == {(samples, min(tokens, 15))}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", PRECISIONS)
@torch.inference_mode()
def test_every_part_of_a_checkpoint_runs_in_every_precision(name: str, tiny_checkpoint: Path) -> None:
    assert name in ALL
    model = load_checkpoint(tiny_checkpoint)
    set_precision(model, name, model.device)
    works = torch_works(model)
    for part in (step_name(1, 1), "VQ decoder"):
        works[part]()


def test_matrices_take_a_byte_or_half_a_byte_a_number_and_little_else() -> None:
    sizes = {}
    for name in ("int8", "int4"):
        layers = nn.Sequential(nn.Linear(256, 512, bias=False))
        hold_matrices(layers, name)
        sizes[name] = held_bytes(layers) / (256 * 512)
    assert sizes["int8"] == pytest.approx(1.0, abs=0.02)
    assert sizes["int4"] == pytest.approx(0.75, abs=0.02)  # scale and offset of 32 weights: two numbers of float32
