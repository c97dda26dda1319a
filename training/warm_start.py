"""Starting a run from a checkpoint: what was learned goes on, whatever the new run's maps are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from torch import Tensor, nn

from instructseq_model.checkpoint import TOKENIZER, load_weights
from instructseq_model.errors import ConfigError
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.text import TextTokenizer
from instructseq_model.vision import VisionEncoder
from instructseq_model.vqvae import VQVAE
from instructseq_model.whitening import Whitening

COMPARISON = (
    "grounding.key.",
    "grounding.query.",
    "grounding.log_scale",
    "grounding.bias",
    "grounding.class_heat.read.",
)


def start_from(
    checkpoint: Path,
    model: SequenceModel,
    vqvae: VQVAE,
    *,
    comparison: bool = True,
    vision: VisionEncoder | None = None,
) -> bool:
    """Take a checkpoint's weights into the model of a new run.

    Codes of another VQ-VAE mean something else: what belongs to them then keeps its fresh values. So does what belongs
    to a grounding of another shape. A checkpoint that read raw features goes on as it was in a model that whitens them.

    Args:
        checkpoint: a checkpoint's folder.
        model: changed in place; its whitening is fitted.
        vqvae: of the new run.
        comparison: whether the grounding's comparison, and its reading of classes, come along; new ones are for the
            caller to fit.
        vision: the image encoder that the new run trains, changed in place if the checkpoint has one of its own; None
            where the new run leaves the published one as it is.

    Returns:
        Whether the grounding's comparison came along; where it did not, it needs a start of its own.

    Raises:
        ConfigError: the checkpoint is of a model of another shape, or trained an image encoder that this run does not.
        CheckpointError: the checkpoint is damaged.
    """
    config, weights = load_weights(checkpoint)
    comparable = replace(config.sequence, grounding=model.config.grounding, whitened=model.config.whitened)
    if comparable != model.config or (config.sequence.whitened and not model.config.whitened):
        raise ConfigError(f"{checkpoint} is a model of another shape than the recipe's; start from one of the same")
    if weights["vision"] and vision is None:
        raise ConfigError(
            f"{checkpoint} has an image encoder of its own; set vision: {{trained: true}} to go on with it"
        )
    if weights["vision"] and vision is not None:
        vision.load_state_dict(weights["vision"])
    state = weights["sequence"]
    _keep_fresh_codes(state, weights["vqvae"], model, vqvae, checkpoint)
    if not comparison:
        state = {name: value for name, value in state.items() if not name.startswith(COMPARISON)}
    fresh = _keep_fresh_shapes(state, model, checkpoint)
    model.load_state_dict(state)
    if model.config.whitened and not config.sequence.whitened:
        _absorb_whitening(model, fresh)
    return not any(name.startswith(("grounding.key.", "grounding.query.")) for name in fresh)


def _keep_fresh_codes(
    state: dict[str, Tensor], of_checkpoint: Mapping[str, Tensor], model: SequenceModel, vqvae: VQVAE, origin: Path
) -> None:
    """Give `state` the model's own rows for visual tokens where the VQ-VAEs differ."""
    of_codes = {name: value for name, value in of_checkpoint.items() if name.startswith("quantize.")}
    now = vqvae.state_dict()
    # A checkpoint is float16, which rounds by up to a two-thousandth.
    if all(value.allclose(now[name].float().cpu(), rtol=1e-3, atol=1e-3) for name, value in of_codes.items()):
        return
    ids = model.config.vocabulary.visual_range
    for name in ("tokens.weight", "head.weight", "head.bias"):
        fresh = model.state_dict()[name]
        state[name][ids.start : ids.stop] = fresh[ids.start : ids.stop].float().cpu()
    Console().print(f"{origin} has another VQ-VAE than this run: the codes of maps start afresh")


def _keep_fresh_shapes(state: dict[str, Tensor], model: SequenceModel, origin: Path) -> list[str]:
    """Give `state` the model's own values where it has none of that shape; returns their names."""
    now = model.state_dict()
    fresh = [name for name, value in now.items() if name not in state or state[name].shape != value.shape]
    for name in [*fresh, *(name for name in list(state) if name not in now)]:
        state.pop(name, None)
    state |= {name: now[name].float().cpu() for name in fresh}
    trained = [name for name in fresh if "whitening" not in name]
    if trained:
        Console().print(f"not taken from {origin}, but started afresh: {', '.join(trained)}")
    return fresh


def _absorb_whitening(model: SequenceModel, fresh: Sequence[str]) -> None:
    """Let what was learned on raw features give the same on whitened ones; what is fresh has learned nothing yet."""
    assert isinstance(model.image_whitening, Whitening)
    assert isinstance(model.pooled_whitening, Whitening)
    width = model.config.transformer.width
    projection = model.image_projection[0]
    assert isinstance(projection, nn.Linear)
    model.image_whitening.absorb(projection, slice(0, None))
    grounding = model.grounding
    if grounding is None:
        return
    if grounding.class_heat is not None:
        first = grounding.class_heat.read[0]
        assert isinstance(first, nn.Linear)
        if "grounding.class_heat.read.0.weight" not in fresh:
            model.image_whitening.absorb(first, slice(width, None))
        model.pooled_whitening.absorb(grounding.class_heat.asked, slice(2 * width, None))
    if grounding.refiner is not None:
        model.pooled_whitening.absorb(grounding.refiner.instruction, slice(2 * width, None))


def tokenizer_of_checkpoint(checkpoint: Path) -> TextTokenizer:
    """The caption tokenizer that a checkpoint was trained with."""
    return TextTokenizer.load(checkpoint / TOKENIZER)
