"""`python -m instructseq_training.vqvae.convert_perceptual OUT`: the published weights of LPIPS as a safetensors file.

For checkpoints that do not hold them (`convert` writes them where they do). The features are torchvision's VGG16, from
the hub as safetensors through timm, or from a file; the five heads are those of Zhang et al., as torchmetrics has them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import timm
import torchmetrics
import typer
from torch import Tensor

from instructseq_model.errors import CheckpointError, InstructSeqError
from instructseq_model.vqvae import fill
from instructseq_training.vqvae.convert import read_state, write_tensors
from instructseq_training.vqvae.perceptual import PERCEPTUAL_FILE, SLICES, PerceptualDistance

FEATURES = "features."
HUB_NAME = "vgg16.tv_in1k"

app = typer.Typer(add_completion=False)


def published_heads() -> Path:
    """The heads that torchmetrics brings."""
    return Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models" / "vgg.pth"


def hub_features() -> dict[str, Tensor]:
    """VGG16's state from the hub, or from its cache.

    Raises:
        CheckpointError: neither is there.
    """
    try:
        return dict(timm.create_model(HUB_NAME, pretrained=True).state_dict())
    except Exception as error:  # the hub's client raises many kinds
        raise CheckpointError(
            f"{HUB_NAME} could not be fetched ({error}); give torchvision's vgg16 as a file with --vgg"
        ) from error


def convert_perceptual(out: Path, *, vgg: Path | None = None, heads: Path | None = None) -> Path:
    """Write `out`/perceptual.safetensors.

    Args:
        out: folder, made where missing.
        vgg: torchvision's VGG16, .pth or .safetensors; None fetches it.
        heads: of LPIPS version 0.1 on VGG16, .pth or .safetensors; None for those of torchmetrics.

    Returns:
        The file.

    Raises:
        CheckpointError: a file is missing, damaged, holds more than tensors, or is another network.
    """
    features = hub_features() if vgg is None else read_state(vgg)
    slices = {i: number for number, ends in enumerate(SLICES, 1) for i in range(*ends)}
    named: dict[str, Tensor] = {}
    for name, tensor in features.items():
        index, _, rest = name.removeprefix(FEATURES).partition(".")
        if name.startswith(FEATURES) and index.isdigit() and int(index) in slices:
            named[f"net.slice{slices[int(index)]}.{index}.{rest}"] = tensor
    found = read_state(heads or published_heads())
    named |= {name: tensor for name, tensor in found.items() if name.startswith("lin") and not name.startswith("lins.")}
    network = PerceptualDistance()
    fill(network, named, source=vgg or Path(HUB_NAME), kind="LPIPS network on VGG16")
    write_tensors(network.state_dict(), out / PERCEPTUAL_FILE)
    return out / PERCEPTUAL_FILE


@app.command()
def main(
    out: Annotated[
        Path, typer.Argument(help="Folder to write perceptual.safetensors to: that of the start's weights.")
    ],
    vgg: Annotated[
        Path | None, typer.Option(help="torchvision's vgg16, .pth (plain tensors) or .safetensors. Default: the hub's.")
    ] = None,
    heads: Annotated[
        Path | None, typer.Option(help="Heads of LPIPS v0.1 on VGG16, likewise. Default: those of torchmetrics.")
    ] = None,
) -> None:
    """Convert the published weights of LPIPS on VGG16."""
    try:
        file = convert_perceptual(out, vgg=vgg, heads=heads)
    except InstructSeqError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(f"{file}: {file.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    app()
