"""`python -m instructseq_training.vqvae CONFIG`: train a VQ-VAE for maps and say how good it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from instructseq_model.errors import InstructSeqError
from instructseq_training.vqvae.run import run

app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="YAML file with the parts model, training and data.")],
    out: Annotated[Path, typer.Option(help="Folder for the trained model, its report and snapshots.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder with scene shards; without it, synthetic maps only.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the snapshot in OUT, if there is one.")] = True,
    init: Annotated[Path | None, typer.Option(help="Folder of a VQ-VAE of the same shape to start from.")] = None,
) -> None:
    """Train, then write model.safetensors, config.yaml, report.json and recon.png to OUT."""
    try:
        report = run(config, data=data, out=out, resume=resume, init=init)
    except InstructSeqError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(json.dumps(report, indent=2))


if __name__ == "__main__":
    app()
