"""Models so small that a test of them takes milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from instructseq_model.decoding import DecodingPrefix, decoding_prefix
from instructseq_model.grounding import GroundingConfig
from instructseq_model.sequence_model import ImagePrefix, InstructionPrefix, SequenceConfig, SequenceModel
from instructseq_model.transformer import TransformerConfig
from instructseq_model.vocabulary import END, Vocabulary

LENGTHS = (5, 2, 3)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A sequence model, one image and three padded instructions of 5, 2 and 3 tokens."""

    model: SequenceModel
    features: Tensor  # 1 x P x Dv
    states: Tensor  # 3 x 5 x Dt
    lengths: Tensor  # 3

    def image(self) -> ImagePrefix:
        return self.model.encode_image(self.features)

    def instructions(self, *rows: int) -> InstructionPrefix:
        """The named instructions, cut to the longest of them, on the image."""
        chosen = list(rows) or list(range(len(self.lengths)))
        lengths = self.lengths[chosen]
        return self.model.encode_instruction(self.image(), self.states[chosen, : int(lengths.max())], lengths)

    def prefix(self, *rows: int) -> DecodingPrefix:
        return decoding_prefix(self.model, self.image(), self.instructions(*rows))


def build_scene(*, attention: str = "block", grounding: bool = True, seed: int = 0, **sizes: Any) -> Scene:
    torch.manual_seed(seed)
    config = SequenceConfig(
        transformer=TransformerConfig(layers=2, width=16, heads=2, prefix_attention=attention),
        vocabulary=Vocabulary(
            text_size=sizes.get("text", 7), position_size=sizes.get("positions", 10), visual_size=sizes.get("codes", 9)
        ),
        vision_width=6,
        vision_grid=3,
        instruction_width=5,
        max_instruction_tokens=8,
        map_grid=3,
        max_text_tokens=sizes.get("text_tokens", 6),
        max_boxes=2,
        grounding=GroundingConfig(subcells=2, key_width=4, channels=2, refiner_layers=1, refiner_width=32, classes=3)
        if grounding
        else None,
    )
    model = SequenceModel(config).eval()
    with torch.no_grad():  # far from the uniform distribution of a fresh head, so that mistakes show
        model.head.weight.mul_(40)
        model.head.bias[END] = -12  # texts and boxes go on for a while
        for parameter in model.transformer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    states = torch.randn(3, max(LENGTHS), 5)
    return Scene(model=model, features=torch.randn(1, 9, 6), states=states, lengths=torch.tensor(LENGTHS))


@pytest.fixture
def make_scene() -> Callable[..., Scene]:
    return build_scene


@pytest.fixture(params=[(a, g) for a in ("block", "causal") for g in (True, False)], ids=lambda p: f"{p[0]}-{p[1]}")
def scene(request: pytest.FixtureRequest) -> Scene:
    """Both forms of attention, with grounding and without."""
    attention, grounding = request.param
    return build_scene(attention=attention, grounding=grounding)
