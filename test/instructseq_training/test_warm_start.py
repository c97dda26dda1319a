"""Starting a run from a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from instructseq_model.checkpoint import load_weights
from instructseq_model.errors import ConfigError
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vqvae import VQVAE
from instructseq_training.warm_start import start_from, tokenizer_of_checkpoint

CHECKPOINT = Path(__file__).resolve().parents[2] / "checkpoints" / "household"


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


def test_its_words_come_along() -> None:
    tokenizer = tokenizer_of_checkpoint(CHECKPOINT)
    assert tokenizer.decode(tokenizer.encode("a red mug beside the laptop")) == "a red mug beside the laptop"
