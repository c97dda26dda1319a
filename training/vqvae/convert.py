"""`python -m instructseq_training.vqvae.convert CKPT OUT`: a published VQ-VAE checkpoint as safetensors.

Latent diffusion publishes its weights as a PyTorch pickle. This command, run by a person on a file that they fetched,
is the one place where such a file is opened, and only as plain tensors and containers (`weights_only=True`): code in it
is refused. What the training framework left in it is replaced by empty objects, never built. Everything else in this
project reads the safetensors files that it writes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from safetensors.torch import save_file
from torch import Tensor

from instructseq_model.errors import CheckpointError, InstructSeqError
from instructseq_model.vqvae import VQVAE, VQVAEConfig, fill, published_state, read_weights, save_vqvae
from instructseq_training.vqvae.adversary import DISCRIMINATOR_FILE
from instructseq_training.vqvae.perceptual import PERCEPTUAL_FILE

app = typer.Typer(add_completion=False)

LOSS_FILES = {"loss.perceptual_loss.": PERCEPTUAL_FILE, "loss.discriminator.": DISCRIMINATOR_FILE}
"""What the networks of the training loss are called in a published checkpoint, and the files they go to."""

FRAMEWORKS = ("pytorch_lightning.", "lightning.")
"""Whose objects published checkpoints carry beside the weights, such as callbacks."""

CONSTANTS = "scaling_layer."
"""Of LPIPS: numbers that are not learned."""


def read_state(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors file or of a PyTorch checkpoint (`state_dict` inside, where there is one).

    Raises:
        CheckpointError: the file is missing, damaged, or holds more than tensors and plain containers.
    """
    if path.suffix == ".safetensors":
        return read_weights(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; fetch latent diffusion's vq-f8 and unpack model.ckpt")
    try:
        with torch.serialization.safe_globals(_dropped_names(path)):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged or refused file
        raise CheckpointError(
            f"{path}: refused ({error}). Only checkpoints of plain tensors are opened; "
            "strip the training state with a tool you trust, or use a .safetensors file"
        ) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else {}
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"{path}: holds no state dict; give a checkpoint of latent diffusion's first stage")
    return tensors


class _Dropped:
    """Stands for whatever the training framework left in a checkpoint."""


def _dropped_names(path: Path) -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """The training framework's classes in a checkpoint, each to be read as an empty object."""
    if not zipfile.is_zipfile(path):
        return []  # the format of PyTorch before 1.6, in which plain tensors only are read
    names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    return [(_Dropped, name) for name in names if name.startswith(FRAMEWORKS)]


def convert(source: Path, out: Path, *, config: VQVAEConfig | None = None) -> VQVAE:
    """Write a published checkpoint as a folder that `load_vqvae` reads and training starts from.

    Networks of its training loss that are in the checkpoint, LPIPS and the discriminator, get files of their own.

    Args:
        source: .ckpt, .pt or .safetensors with latent diffusion's names, bare or under `first_stage_model.`.
        out: folder for model.safetensors (float32) and config.yaml.
        config: its shape; None for vq-f8.

    Returns:
        The model.

    Raises:
        CheckpointError: it cannot be read or does not fit the shape.
    """
    model = VQVAE(config or VQVAEConfig())
    state = read_state(source)
    fill(model, published_state(state), source=source)
    save_vqvae(model, out)
    for prefix, name in LOSS_FILES.items():
        network = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
        if network:
            write_tensors(network, out / name)
    return model


def write_tensors(state: Mapping[str, Tensor], path: Path) -> None:
    """Write a network of the training loss as safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    learned = {name: tensor.contiguous() for name, tensor in state.items() if not name.startswith(CONSTANTS)}
    save_file(learned, path)


@app.command()
def main(
    source: Annotated[Path, typer.Argument(help="Published checkpoint: .ckpt (plain tensors) or .safetensors.")],
    out: Annotated[Path, typer.Argument(help="Folder to write model.safetensors and config.yaml to.")],
) -> None:
    """Convert latent diffusion's vq-f8 checkpoint."""
    try:
        model = convert(source, out)
    except InstructSeqError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(f"{out}: {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters")
    for name in LOSS_FILES.values():
        typer.echo(f"{name}: {'written' if (out / name).is_file() else 'not in the checkpoint'}")


if __name__ == "__main__":
    app()
