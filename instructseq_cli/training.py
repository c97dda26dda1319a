"""`instructseq scenes` and `instructseq train`: the training side, which a robot need not have installed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated

import typer

from instructseq_model.errors import ConfigError


def _require_training(module: str) -> None:
    """Check that what training needs is installed.

    Raises:
        ConfigError: it is not; the message says what to install.
    """
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"the training side is not installed ({error}): run scripts/setup.sh, or `pip install -e .[train]`"
        ) from None


def scenes(
    out: Annotated[Path, typer.Argument(help="Folder for the shards; made if missing.", show_default=False)],
    frames: Annotated[int, typer.Option(min=1, help="How many pictures.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same scenes.")] = 0,
    split: Annotated[str, typer.Option(help="train, val or heldout (object models never trained on).")] = "train",
    workers: Annotated[int, typer.Option(min=1, help="Processes that render side by side.")] = 1,
) -> None:
    """Render scenes with exact masks, boxes, referring expressions and captions.

    * instructseq scenes out/scenes --frames 1000 --split train

    * instructseq scenes out/heldout --frames 200 --split heldout --seed 7

    The same command goes on where an earlier one was interrupted.
    """
    _require_training("instructseq_training.scenes")


def train(
    config: Annotated[
        Path, typer.Argument(help="A recipe, such as config/train_household_cpu.yaml.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for the model; made if missing.")] = Path("out/model"),
) -> None:
    """Train a model by a recipe; the same command goes on where an earlier one was interrupted.

    * instructseq train config/train_household_cpu.yaml --out out/model
    """
    _require_training("instructseq_training.train")
    from instructseq_training.train import run

    run(config, out)
