"""Weights in few bits beside the same sums in float64, and beside torchao's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from instructseq_model.weight_formats import FEW_ROWS, INT4_GROUP, Int4Linear, Int8Linear

TYPES = (torch.float32, torch.bfloat16)


def layer(*, bias: bool = True) -> nn.Linear:
    """64 to 96."""
    torch.manual_seed(0)
    return nn.Linear(64, 96, bias=bias)


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def rounded(weight: Tensor, *, group: int, steps: int, symmetric: bool) -> Tensor:
    """Weights at the nearest of evenly spaced places, by a search over all of them: E x D, float64."""
    rows = []
    for part in weight.double().reshape(-1, group):
        ends = (-part.abs().max(), part.abs().max()) if symmetric else (part.min(), part.max())
        places = torch.linspace(*(float(end) for end in ends), steps, dtype=torch.float64)
        rows.append(places[(part[:, None] - places).abs().argmin(1)])
    return torch.stack(rows).reshape(weight.shape)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("rows", [1, FEW_ROWS, FEW_ROWS + 1])
@torch.inference_mode()
def test_eight_bits_give_the_sums_of_rounded_weights(rows: int, dtype: torch.dtype) -> None:
    plain = layer()
    x = torch.randn(2, rows, 64).to(dtype) if rows > FEW_ROWS else torch.randn(rows, 64).to(dtype)
    weight = rounded(plain.weight, group=64, steps=255, symmetric=True)
    expected = x.double() @ weight.T + plain.bias.double()
    found = Int8Linear(plain).to(dtype)(x)
    assert (found.shape, found.dtype) == (expected.shape, dtype)
    assert relative(found, expected) < 0.006  # bfloat16 keeps 8 bits


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("rows", [1, 40])
@torch.inference_mode()
def test_four_bits_give_the_sums_of_weights_rounded_by_groups(rows: int, dtype: torch.dtype) -> None:
    plain = layer()
    x = torch.randn(3, rows, 64).to(dtype)
    weight = rounded(plain.weight, group=INT4_GROUP, steps=16, symmetric=False)
    expected = x.double() @ weight.T + plain.bias.double()
    found = Int4Linear(plain).to(dtype)(x)
    assert (found.shape, found.dtype) == (expected.shape, dtype)
    assert relative(found, expected) < 0.01
    assert 0.02 < relative(found, layer()(x.float())) < 0.1


@pytest.mark.parametrize("make", [Int8Linear, Int4Linear])
def test_layers_without_bias_and_of_zeros_are_layers_too(make: type[nn.Module]) -> None:
    plain = layer(bias=False)
    with torch.inference_mode():
        plain.weight[3] = 0.0
        found = make(plain)(torch.ones(2, 64))
    assert found[:, 3].tolist() == [0.0, 0.0]
    assert found.isfinite().all()


@pytest.mark.nightly
@torch.inference_mode()
def test_eight_bits_are_torchaos() -> None:
    quantization = pytest.importorskip("torchao.quantization", reason="pip install 'instructseq[quantization]'")
    theirs = nn.Sequential(layer())
    quantization.quantize_(theirs, quantization.Int8WeightOnlyConfig(set_inductor_config=False))
    x = torch.randn(5, 64)
    assert relative(Int8Linear(layer())(x), theirs(x)) < 0.006
