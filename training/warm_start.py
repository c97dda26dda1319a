"""Starting a run from a checkpoint: what was learned goes on, whatever the new run's maps are made of."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from instructseq_model.checkpoint import TOKENIZER, load_weights
from instructseq_model.errors import ConfigError
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.text import TextTokenizer
from instructseq_model.vqvae import VQVAE


def start_from(checkpoint: Path, model: SequenceModel, vqvae: VQVAE) -> None:
    """Take a checkpoint's weights into the model of a new run.

    Codes of another VQ-VAE mean something else: what belongs to them then keeps its fresh values.

    Args:
        checkpoint: a checkpoint's folder.
        model: changed in place.
        vqvae: of the new run.

    Raises:
        ConfigError: the checkpoint is of a model of another shape.
        CheckpointError: the checkpoint is damaged.
    """
    config, weights = load_weights(checkpoint)
    if config.sequence != model.config:
        raise ConfigError(f"{checkpoint} is a model of another shape than the recipe's; start from one of the same")
    state = weights["sequence"]
    of_codes = {name: value for name, value in weights["vqvae"].items() if name.startswith("quantize.")}
    now = vqvae.state_dict()
    if any(not value.allclose(now[name].float().cpu(), atol=1e-2) for name, value in of_codes.items()):
        ids = model.config.vocabulary.visual_range
        for name in ("tokens.weight", "head.weight", "head.bias"):
            fresh = model.state_dict()[name]
            state[name][ids.start : ids.stop] = fresh[ids.start : ids.stop].float().cpu()
        Console().print(f"{checkpoint} has another VQ-VAE than this run: the codes of maps start afresh")
    model.load_state_dict(state)


def tokenizer_of_checkpoint(checkpoint: Path) -> TextTokenizer:
    """The caption tokenizer that a checkpoint was trained with."""
    return TextTokenizer.load(checkpoint / TOKENIZER)
