"""The paper's sizes on random weights, in bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from instructseq_model.decoding import Sampling, decoding_prefix, generate, kind_probabilities
from instructseq_model.errors import ConfigError
from instructseq_model.maps import decode_maps
from instructseq_model.model import InstructSeq, build_random, in_pytorch
from instructseq_model.model_config import load_model_config
from instructseq_model.vocabulary import OutputKind

CONFIGS = Path(__file__).parents[2] / "config"


DRAWS = {"normal_", "uniform_", "erfinv_", "kaiming_uniform_", "xavier_uniform_", "trunc_normal_"}


class QuickInitialisation(TorchFunctionMode):
    """Fills large tensors from a small pool of random numbers: a thousand million draws would take most of a minute."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = 0.02 * torch.randn(1 << 20)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        target = args[0] if args else kwargs.get("tensor")
        if getattr(func, "__name__", "") in DRAWS and target.numel() > len(self.pool) // 8:
            with torch.no_grad():
                for part in target.detach().view(-1).split(len(self.pool)):
                    part.copy_(self.pool[: len(part)])
            return target
        return func(*args, **kwargs)


@pytest.fixture
def bfloat16() -> Iterator[None]:
    torch.set_default_dtype(torch.bfloat16)
    yield
    torch.set_default_dtype(torch.float32)


def build(name: str) -> InstructSeq:
    torch.manual_seed(0)
    with QuickInitialisation():
        return build_random(load_model_config(CONFIGS / f"{name}.yaml")).requires_grad_(False)


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize(
    ("name", "millions"),
    [("large", (900, 1200)), ("base-mae", (400, 550)), ("base-sam", (400, 550)), ("base-clip", (300, 450))],
)
def test_paper_sizes_read_an_image_and_decode_tokens_of_every_kind(name: str, millions: tuple[int, int]) -> None:
    model = build(name)
    count = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert millions[0] < count < millions[1]
    assert model.dtype == torch.bfloat16
    vocabulary = model.config.sequence.vocabulary
    assert model.sequence.head.weight.shape[0] == vocabulary.size == 67_649 + 4
    with torch.inference_mode():
        side = model.config.image_size
        image = model.read_image(torch.rand(1, 3, side, side, dtype=torch.float32))
        assert image.states.shape == (1, 1024, model.config.transformer.width)
        encoded = model.instruction.encode(["segment the red mug", "describe the picture"])
        prefix = decoding_prefix(model.sequence, image, model.read_instruction(image, encoded))
        mass = kind_probabilities(model.sequence, prefix.begin)
    torch.testing.assert_close(sum(mass.values()), torch.ones(2, dtype=torch.float32))
    for kind in OutputKind:
        made = generate(model.sequence, prefix, kind, sampling=Sampling(), samples=2, limit=3)
        assert made.tokens.shape == (4, 3)
        ids = vocabulary.range_of(kind)
        assert all(token in ids for token in made.tokens[:, 0].tolist())
        assert made.probabilities.isfinite().all()
    codes = torch.arange(16).view(1, 16)
    assert decode_maps(model.vqvae, codes).shape == (1, 32, 32, 3)  # 8 pixels a code


def test_long_instruction_is_cut_with_a_warning_and_padding_does_not_matter() -> None:
    model = build("household")
    longest = model.config.max_instruction_tokens
    with pytest.warns(UserWarning, match=f"cut to {longest}"):
        encoded = model.instruction.encode(["find " + "the very " * 40 + "red mug", "find it"])
    assert encoded.states.shape[1] == longest
    side = model.config.image_size
    with torch.inference_mode():
        image = model.read_image(torch.rand(1, 3, side, side))
        both = decoding_prefix(model.sequence, image, model.read_instruction(image, encoded))
        alone = decoding_prefix(
            model.sequence, image, model.read_instruction(image, model.instruction.encode(["find it"]))
        )
    torch.testing.assert_close(both.begin[1:], alone.begin, atol=1e-4, rtol=1e-4)


def test_an_export_is_refused_where_the_parts_themselves_are_needed() -> None:
    model = build("household")
    assert in_pytorch(model, purpose="measuring") is model
    with pytest.raises(ConfigError, match="measuring needs a checkpoint, not an export"):
        in_pytorch(object(), purpose="measuring")
