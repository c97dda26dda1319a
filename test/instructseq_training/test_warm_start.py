"""Starting a run from a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from instructseq_model.checkpoint import load_weights, save_checkpoint
from instructseq_model.errors import ConfigError
from instructseq_model.grounding import GroundingConfig
from instructseq_model.model_config import load_model_config
from instructseq_model.routing import Router
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.transformer import TransformerConfig
from instructseq_model.vqvae import VQVAE, VQVAEConfig
from instructseq_model.whitening import Whitening
from instructseq_training.tokenizer import train_tokenizer
from instructseq_training.warm_start import start_from, tokenizer_of_checkpoint

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT = ROOT / "checkpoints" / "household"


@pytest.fixture(scope="module")
def shipped() -> VQVAE:
    config, weights = load_weights(CHECKPOINT)
    vqvae = VQVAE(config.vqvae)
    vqvae.load_state_dict(weights["vqvae"])
    return vqvae


def test_with_the_same_codes_everything_is_taken_over(shipped: VQVAE) -> None:
    config, weights = load_weights(CHECKPOINT)
    model = SequenceModel(config.sequence)
    start_from(CHECKPOINT, model, shipped)
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights["sequence"][name]), name


def test_other_codes_start_afresh_and_the_rest_is_taken_over(
    shipped: VQVAE, capsys: pytest.CaptureFixture[str]
) -> None:
    config, weights = load_weights(CHECKPOINT)
    model = SequenceModel(config.sequence)
    fresh = model.tokens.weight.detach().clone()
    start_from(CHECKPOINT, model, VQVAE(config.vqvae))
    visual = config.sequence.vocabulary.visual_range
    assert torch.equal(model.tokens.weight[visual.start : visual.stop], fresh[visual.start : visual.stop])
    kept = [i for i in range(len(fresh)) if i not in visual]
    assert torch.equal(model.tokens.weight[kept], weights["sequence"]["tokens.weight"][kept])
    assert torch.equal(model.image_positions, weights["sequence"]["image_positions"])
    assert "start afresh" in capsys.readouterr().out


def test_a_model_of_another_shape_is_refused(shipped: VQVAE) -> None:
    config, _ = load_weights(CHECKPOINT)
    other = replace(config.sequence, max_text_tokens=config.sequence.max_text_tokens + 1)
    with pytest.raises(ConfigError, match="another shape"):
        start_from(CHECKPOINT, SequenceModel(other), shipped)


SMALL = replace(
    load_model_config(ROOT / "config" / "household.yaml"),
    image_size=56,  # 4 x 4 cells
    transformer=TransformerConfig(layers=1, width=32, heads=2),
    vqvae=VQVAEConfig(resolution=16, channels=8, multipliers=(1, 2, 2), blocks=1, codes=32, normalization="pixel"),
    grounding=GroundingConfig(
        subcells=2, key_width=8, hidden=16, refiner_layers=1, refiner_width=32, refiner_block=2, classes=40
    ),
    text_size=60,
    whitened=False,
)


def raw_checkpoint(folder: Path) -> tuple[SequenceModel, VQVAE]:
    """A checkpoint with random weights that reads raw features."""
    torch.manual_seed(2)
    model, vqvae = SequenceModel(SMALL.sequence), VQVAE(SMALL.vqvae)
    assert model.grounding is not None
    assert model.grounding.refiner is not None
    torch.nn.init.normal_(model.grounding.refiner.correction.weight)
    save_checkpoint(
        folder,
        SMALL,
        sequence=model.state_dict(),
        vqvae=vqvae.state_dict(),
        router=Router(SMALL.sequence.instruction_width).state_dict(),
        tokenizer=train_tokenizer(["a red mug beside the laptop"] * 4, size=60),
        dtype=torch.float32,
    )
    return model.eval(), vqvae


@torch.no_grad()
def test_what_read_raw_features_sees_the_same_in_whitened_ones(tmp_path: Path) -> None:
    raw, vqvae = raw_checkpoint(tmp_path)
    whitened = SequenceModel(replace(SMALL.sequence, whitened=True)).eval()
    features, states = 9 * torch.randn(1, 16, 768) + 2, torch.randn(3, 5, 384)
    assert isinstance(whitened.image_whitening, Whitening)
    assert isinstance(whitened.pooled_whitening, Whitening)
    whitened.image_whitening.fit(5 * torch.randn(900, 768) @ torch.diag(torch.linspace(0.3, 3, 768)) + 1)
    whitened.pooled_whitening.fit(torch.randn(500, 384) + 3)
    assert start_from(tmp_path, whitened, vqvae)
    lengths = torch.tensor([5, 4, 2])
    seen = []
    for model in (raw, whitened):
        image = model.encode_image(features)
        instruction = model.encode_instruction(image, states, lengths)
        assert image.grounding is not None
        assert image.grounding.classes is not None
        assert instruction.pointing is not None
        assert instruction.pointing.wants_classes is not None
        past = torch.stack([layer.values for layer in instruction.past])
        seen.append((image.states, image.grounding.classes, instruction.pointing.wants_classes, past))
    for got, expected in zip(seen[1], seen[0], strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=2e-3)


def test_a_grounding_of_another_shape_starts_afresh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw, vqvae = raw_checkpoint(tmp_path)
    assert SMALL.grounding is not None
    model = SequenceModel(replace(SMALL.sequence, grounding=replace(SMALL.grounding, hidden=24)))
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    assert not start_from(tmp_path, model, vqvae)
    for name, value in model.state_dict().items():
        expected = (
            fresh if name.startswith(("grounding.key.0", "grounding.query.0")) or name in RESHAPED else raw.state_dict()
        )
        assert torch.equal(value, expected[name]), name
    assert "grounding.key.0.weight" in capsys.readouterr().out.replace("\n", " ")


def test_a_comparison_that_is_to_start_afresh_is_left_behind_alone(tmp_path: Path) -> None:
    raw, vqvae = raw_checkpoint(tmp_path)
    model = SequenceModel(SMALL.sequence)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    assert not start_from(tmp_path, model, vqvae, comparison=False)
    for name, value in model.state_dict().items():
        left = name.startswith(("grounding.key.", "grounding.query.", "grounding.class_heat.read.")) or name in (
            "grounding.log_scale",
            "grounding.bias",
        )
        assert torch.equal(value, (fresh if left else raw.state_dict())[name]), name


RESHAPED = ("grounding.key.2.weight", "grounding.query.2.weight")


def test_its_words_come_along() -> None:
    tokenizer = tokenizer_of_checkpoint(CHECKPOINT)
    assert tokenizer.decode(tokenizer.encode("a red mug beside the laptop")) == "a red mug beside the laptop"
