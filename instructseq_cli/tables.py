"""`instructseq tables`: the paper's six tables with our numbers beside its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instructseq_cli.training import _require_training
from instructseq_model.checkpoint_folders import find_checkpoint
from instructseq_model.errors import ConfigError

if TYPE_CHECKING:
    from instructseq_training.evaluation.tables.question import Suite

SUITES = ("household", "coco")


def tables(
    data: Annotated[
        Path,
        typer.Option(help="household: folder of scene shards (val, heldout). coco: folder of public datasets."),
    ] = Path("out/scenes"),
    table: Annotated[
        list[int] | None, typer.Option(min=1, max=6, help="Which table; may be repeated. Default: all six.")
    ] = None,
    suite: Annotated[str, typer.Option(help="Where the cases come from: household or coco.")] = "household",
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            help="A checkpoint and what it is: default, template, images-only, mae, sam, clip; may be repeated. "
            "Default for household: default=the shipped checkpoint.",
        ),
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=0, help="Pictures of each dataset; 0: all. Default: household 60, coco all.")
    ] = None,
    samples: Annotated[
        int, typer.Option(min=1, max=32, help="Sequences drawn and aggregated an answer; Table 4 has its own.")
    ] = 10,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    out: Annotated[Path, typer.Option(help="Folder for JSON, Markdown and plots; made if missing.")] = Path(
        "out/tables"
    ),
) -> None:
    """Measure the paper's tables, free-running, and print its numbers beside ours.

    * instructseq tables --table 1 --data out/scenes --frames 20 --samples 1

    * instructseq tables --table 2 --data out/scenes --model default=out/model --model template=out/template

    * torchrun --nproc-per-node 8 --no-python instructseq tables --suite coco --data datasets --device cuda

    A row whose model or dataset is missing says what to train or to fetch; nothing is made up. Writes table-N.json
    (dataset, split, task, metric, ours, paper, n, ci95; scores in percent), table-N.md and plots.
    """
    _require_training("instructseq_training.evaluation.tables.run")
    from instructseq_training.evaluation.tables.run import TableSettings, run

    models = _models(model, suite)
    settings = TableSettings(frames=frames, samples=samples, device=device)
    run(table or [1, 2, 3, 4, 5, 6], suite=_suite(suite, data), models=models, out=out, settings=settings)


def _models(named: list[str] | None, suite: str) -> dict[str, Path]:
    if not named and suite == "household":
        return {"default": find_checkpoint("household")}
    models = {}
    for text in named or []:
        name, sign, folder = text.partition("=")
        if not (name and sign and folder):
            raise ConfigError(f"--model {text!r} must be NAME=FOLDER, such as template=out/template")
        models[name] = find_checkpoint(folder)
    return models


def _suite(name: str, data: Path) -> Suite:
    if name == "household":
        from instructseq_training.evaluation.tables.household import HouseholdSuite

        return HouseholdSuite(data)
    if name == "coco":
        from instructseq_training.evaluation.tables.public import READERS, PublicSuite

        return PublicSuite(data, READERS)
    raise ConfigError(f"there is no suite {name!r}: give one of {', '.join(SUITES)}")
