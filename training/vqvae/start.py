"""Weights that a run starts from: a published VQ-VAE that was converted, or one that was trained here."""

from __future__ import annotations

from pathlib import Path

import yaml

from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.vqvae import CONFIG_FILE, VQVAE, WEIGHTS_FILE, VQVAEConfig, fill, published_state, read_weights

HOW = (
    "give a folder that training wrote, or convert latent diffusion's vq-f8: "
    "python -m instructseq_training.vqvae.convert CKPT FOLDER"
)


def load_start(model: VQVAE, source: Path) -> None:
    """Fill a model with the weights to start from.

    Args:
        model: changed in place. Its resolution may be another one than that of the weights, its shape may not.
        source: a folder with model.safetensors, or a .safetensors file with latent diffusion's names, bare or under
            `first_stage_model.`.

    Raises:
        CheckpointError: it is missing, damaged, or of another shape.
    """
    if source.is_dir():
        _check_normalization(model.config, source)
    file = source / WEIGHTS_FILE if source.is_dir() else source
    if not file.exists():
        raise CheckpointError(f"{file}: no such file to start from; {HOW}")
    fill(model, published_state(read_weights(file)), source=file)


def beside(source: Path | None, name: str) -> Path | None:
    """A file that `convert` wrote beside the weights to start from, if it is there."""
    if source is None:
        return None
    file = (source if source.is_dir() else source.parent) / name
    return file if file.is_file() else None


def _check_normalization(config: VQVAEConfig, folder: Path) -> None:
    """The one thing of a shape that the weights' own shapes do not tell."""
    file = folder / CONFIG_FILE
    if not file.is_file():
        return
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: must be a mapping of VQ-VAE settings; {HOW}")
    found = VQVAEConfig.from_mapping(values).normalization
    if found != config.normalization:
        raise CheckpointError(
            f"{folder}: was made with {found} normalization, the recipe has {config.normalization}; "
            f"set normalization: {found} in the recipe's model"
        )
