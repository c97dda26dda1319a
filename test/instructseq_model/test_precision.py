import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from instructseq_model.errors import ConfigError
from instructseq_model.model import InstructSeq, build_random
from instructseq_model.model_config import load_model_config
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Task
from instructseq_model.precision import PRECISIONS, has_fast_bfloat16, set_precision
from instructseq_model.transformer import TransformerConfig
from instructseq_model.vqvae import VQVAEConfig

CPU = torch.device("cpu")


def tiny_model() -> InstructSeq:
    config = load_model_config(Path(__file__).parents[2] / "config" / "household.yaml")
    torch.manual_seed(0)
    return build_random(
        replace(
            config,
            image_size=56,
            transformer=TransformerConfig(layers=1, width=64, heads=2),
            vqvae=VQVAEConfig(
                resolution=16, channels=8, multipliers=(1, 2, 2), blocks=1, codes=32, normalization="pixel"
            ),
        )
    )


def states(model: InstructSeq) -> torch.Tensor:
    """Of one image, float32."""
    pixels = torch.rand(1, 3, 56, 56, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return model.read_image(pixels).states.float()


@pytest.mark.parametrize(
    ("name", "error"), [("auto", 0.05), ("float32", 1e-6), ("bfloat16", 0.05), ("int8", 0.05), ("int4", 0.2)]
)
def test_states_are_those_of_float32_to_the_precisions_rounding(name: str, error: float) -> None:
    model = tiny_model()
    expected = states(model)
    set_precision(model, name, CPU)
    found = states(model)
    assert ((found - expected).norm() / expected.norm()).item() < error
    assert torch.equal(found, expected) == (name == "float32" or (name == "auto" and not has_fast_bfloat16(CPU)))
    perceiver = Perceiver(model, window=4)
    image = (torch.rand(20, 30, 3, generator=torch.Generator().manual_seed(2)) * 255).byte().numpy()
    for task in (Task.SEGMENTATION, Task.DETECTION):
        assert perceiver(image, "find the mug", task=task, samples=2).size_wh == (30, 20)


def test_bfloat16_holds_every_trained_weight_in_two_bytes() -> None:
    model = tiny_model()
    set_precision(model, "bfloat16", CPU)
    for part in (model.vision, model.sequence, model.vqvae):
        assert {value.dtype for value in part.parameters()} == {torch.bfloat16}
    assert {value.dtype for value in model.router.parameters()} == {torch.float32}


def test_a_precision_that_is_not_to_be_had_is_refused_with_what_to_do() -> None:
    model = tiny_model()
    with pytest.raises(ConfigError, match=", ".join(PRECISIONS)):
        set_precision(model, "fp8", CPU)


@pytest.mark.parametrize("name", ["int8", "int4"])
def test_missing_torchao_is_named_where_it_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(ConfigError, match=r"on a GPU: pip install.*use 'bfloat16'"):
        set_precision(tiny_model(), name, torch.device("cuda"))


@pytest.mark.parametrize(("name", "bits"), [("int8", 8), ("int4", 4)])
def test_weight_formats_hold_the_matrices_alone_in_so_many_bits(name: str, bits: int) -> None:
    model = tiny_model()
    layers = [module for module in model.sequence.transformer.modules() if isinstance(module, nn.Linear)]
    matrices = sum(layer.weight.numel() for layer in layers)
    set_precision(model, name, CPU)
    held = model.sequence.transformer.state_dict()
    packed = [tensor for tensor in held.values() if not tensor.dtype.is_floating_point]
    assert sum(tensor.nbytes for tensor in packed) == matrices * bits // 8
    assert model.sequence.head.weight.dtype.is_floating_point
