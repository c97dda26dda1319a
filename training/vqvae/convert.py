"""`python -m instructseq_training.vqvae.convert CKPT OUT`: a published VQ-VAE checkpoint as safetensors.

Latent diffusion publishes its weights as a PyTorch pickle. This command, run by a person on a file that they fetched,
is the one place where such a file is opened, and only as plain tensors and containers (`weights_only=True`): code in it
is refused. Everything else in this project reads the safetensors file that it writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from instructseq_model.errors import CheckpointError, InstructSeqError
from instructseq_model.vqvae import VQVAE, VQVAEConfig, fill, published_state, read_weights, save_vqvae

app = typer.Typer(add_completion=False)


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


def convert(source: Path, out: Path, *, config: VQVAEConfig | None = None) -> VQVAE:
    """Write a published checkpoint as a folder that `load_vqvae` reads.

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
    fill(model, published_state(read_state(source)), source=source)
    save_vqvae(model, out)
    return model


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


if __name__ == "__main__":
    app()
