"""Starting a run from a checkpoint: what was learned goes on, whatever the new run's maps are made of."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from instructseq_model.checkpoint import TOKENIZER, load_weights
from instructseq_model.errors import ConfigError
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.text import TextTokenizer
from instructseq_model.vision import VisionEncoder
from instructseq_model.vqvae import VQVAE


def start_from(checkpoint: Path, model: SequenceModel, vqvae: VQVAE, *, vision: VisionEncoder | None = None) -> None:
    """Take a checkpoint's weights into the model of a new run.

    Codes of another VQ-VAE mean something else: what belongs to them then keeps its fresh values.

    Args:
        checkpoint: a checkpoint's folder.
        model: changed in place.
        vqvae: of the new run.
        vision: the image encoder that the new run trains, changed in place if the checkpoint has one of its own; None
            where the new run leaves the published one as it is.

    Raises:
        ConfigError: the checkpoint is of a model of another shape, or trained an image encoder that this run does not.
        CheckpointError: the checkpoint is damaged.
    """
    config, weights = load_weights(checkpoint)
    if config.sequence != model.config:
        raise ConfigError(f"{checkpoint} is a model of another shape than the recipe's; start from one of the same")
    if weights["vision"] and vision is None:
        raise ConfigError(
            f"{checkpoint} has an image encoder of its own; set vision: {{trained: true}} to go on with it"
        )
    if weights["vision"] and vision is not None:
        vision.load_state_dict(weights["vision"])
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
