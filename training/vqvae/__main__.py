"""`python -m instructseq_training.vqvae CONFIG`: train a VQ-VAE for maps and say how good it is.

`instructseq train vqvae` is the same; this form is for `torchrun --nproc-per-node N -m instructseq_training.vqvae ...`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from instructseq_model.errors import InstructSeqError
from instructseq_training.vqvae.run import run

app = typer.Typer(add_completion=False, help="Train a VQ-VAE for maps and say how good it is.")


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="YAML file with the parts model, training and data.")],
    out: Annotated[Path, typer.Option(help="Folder for the trained model, its report and snapshots.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with scene shards, or with the recipe's public datasets; without it, made-up maps."),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the snapshot in OUT, if there is one.")] = True,
    start: Annotated[
        Path | None, typer.Option(help="Folder or .safetensors file to start from, in place of the recipe's start.")
    ] = None,
) -> None:
    """Train, then write model.safetensors, config.yaml, report.json and recon.png to OUT."""
    try:
        report = run(config, data=data, out=out, resume=resume, start=start)
    except InstructSeqError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    if report:
        typer.echo(json.dumps(report, indent=2))


if __name__ == "__main__":
    app()
