"""Models so small that a test of them takes milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor

from instructseq_model.checkpoint import load_checkpoint
from instructseq_model.decoding import DecodingPrefix, decoding_prefix
from instructseq_model.errors import CheckpointError
from instructseq_model.export.folder import write_export
from instructseq_model.grounding import GroundingConfig
from instructseq_model.model import InstructSeq, build_random
from instructseq_model.model_config import load_model_config
from instructseq_model.perceiver import Perceiver
from instructseq_model.sequence_model import ImagePrefix, InstructionPrefix, SequenceConfig, SequenceModel
from instructseq_model.text import TextTokenizer
from instructseq_model.transformer import TransformerConfig
from instructseq_model.vocabulary import END, Vocabulary
from instructseq_model.vqvae import VQVAEConfig

from .tiny_perceiver import TINY, perceiver_of

LENGTHS = (5, 2, 3)
ROOT = Path(__file__).parents[2]
FEW_GRAPHS = ("decoder", "head_map")


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


@pytest.fixture(scope="session")
def small_model() -> InstructSeq:
    """The household model with every part but the encoders small, and random weights that rounding does not decide."""
    torch.manual_seed(0)
    config = replace(
        load_model_config(ROOT / "config" / "household.yaml"),
        image_size=56,  # 4 x 4 cells
        transformer=TransformerConfig(layers=2, width=32, heads=2),
        vqvae=VQVAEConfig(resolution=16, channels=8, multipliers=(1, 2, 2), blocks=1, codes=32, normalization="pixel"),
        text_size=60,
        max_text_tokens=5,
    )
    model = build_random(config).eval().requires_grad_(False)
    model.sequence.head.weight.mul_(20)
    words = {f"w{number}": number for number in range(config.text_size)}
    model.tokenizer = TextTokenizer(Tokenizer(WordLevel(words, unk_token="w0")))
    return model


@pytest.fixture(scope="session")
def shared_perceiver() -> Perceiver:
    return perceiver_of(TINY)


@pytest.fixture
def perceiver(shared_perceiver: Perceiver) -> Iterator[Perceiver]:
    """With empty caches."""
    yield Perceiver(shared_perceiver.model)
    shared_perceiver.model.config = TINY


@pytest.fixture(scope="session")
def shipped_model() -> InstructSeq:
    """The checkpoint that comes with the repository."""
    try:
        return load_checkpoint(ROOT / "checkpoints" / "household")
    except CheckpointError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def few_graphs(small_model: InstructSeq, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the small model's `FEW_GRAPHS`: all of them take a minute to trace."""
    pytest.importorskip("onnxscript")
    folder = tmp_path_factory.mktemp("few_graphs")
    write_export(small_model, folder, backend="onnx", graphs=FEW_GRAPHS)
    return folder


@pytest.fixture(scope="session")
def whole_small(small_model: InstructSeq, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the small model."""
    folder = tmp_path_factory.mktemp("whole_small")
    write_export(small_model, folder, backend="onnx")
    return folder


@pytest.fixture(scope="session")
def whole_shipped(shipped_model: InstructSeq, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the shipped checkpoint."""
    folder = tmp_path_factory.mktemp("whole_shipped")
    write_export(shipped_model, folder, backend="onnx")
    return folder
