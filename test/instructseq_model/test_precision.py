import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

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


@pytest.mark.parametrize(("name", "error"), [("auto", 0.05), ("float32", 1e-6), ("bfloat16", 0.05), ("int8", 0.05)])
def test_states_are_those_of_float32_to_the_precisions_rounding(name: str, error: float) -> None:
    if name == "int8":
        pytest.importorskip("torchao", reason="torchao is an extra: pip install 'instructseq[quantization]'")
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
    with pytest.raises(ConfigError, match=r"CUDA device.*use 'bfloat16'"):
        set_precision(model, "int4", CPU)


def test_missing_torchao_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(ConfigError, match="pip install"):
        set_precision(tiny_model(), "int8", CPU)
