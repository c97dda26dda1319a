"""`instructseq data`: the published datasets on disk, checked and written as shards."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from instructseq_model.errors import ConfigError

if TYPE_CHECKING:
    from instructseq_training.datasets.check import SplitReport

data = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
"""The datasets, as sub-commands."""

_STYLES = {"complete": "green", "other counts": "yellow", "broken": "bold red", "missing": "dim"}


@data.callback()
def datasets() -> None:
    """Look after the published datasets: COCO-Stuff, ADE20K, RefCOCO/+/g, gRefCOCO, COCO Captions, FSS-1000.

    * instructseq data check ROOT

    * instructseq data shard ROOT out/shards --dataset coco_stuff

    ROOT has one layout, the one in which the archives unpack; `check` says which file belongs where and where to get
    it, and docs/data.md shows all of it. A mixture for training is a YAML file: see config/mixtures.
    """


def _require_training() -> None:
    try:
        importlib.import_module("instructseq_training.datasets.shards")
    except ImportError as error:
        raise ConfigError(
            f"the training side is not installed ({error}): run scripts/setup.sh, or `pip install -e .[train]`"
        ) from None


@data.command("check")
def check(
    root: Annotated[Path, typer.Argument(help="Folder of all datasets.", show_default=False)],
    dataset: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be given several times.", show_default=False)
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            help="Exit with code 1 unless every split of this one is complete; several times for several.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Say for each dataset what was found, what is missing, where to get it, and whether counts are as published.

    * instructseq data check /data

    * instructseq data check /data --dataset refcoco --require refcoco
    """
    _require_training()
    from instructseq_training.datasets.check import State
    from instructseq_training.datasets.check import check as check_all
    from instructseq_training.datasets.table import DATASETS

    if not root.is_dir():
        raise ConfigError(f"there is no folder {root}; make it and unpack the archives there (docs/data.md)")
    required = require or []
    names = list(dict.fromkeys([*(dataset or DATASETS), *required]))
    console = Console()
    reports = []
    with console.status("checking ...") as status:
        for name in names:
            status.update(f"checking {name} ...")
            reports += list(check_all(root, [name]))
    _show(console, reports)
    unmet = sorted({r.dataset for r in reports if r.dataset in required and r.state is not State.COMPLETE})
    if unmet:
        console.print(f"required, but not complete: {', '.join(unmet)}", style="bold red", highlight=False)
        raise typer.Exit(1)


def _show(console: Console, reports: Iterable[SplitReport]) -> None:
    table = Table(title="datasets", title_justify="left")
    for heading in ("dataset", "split", "state", "found", "published"):
        table.add_column(heading, overflow="fold")
    advice: dict[str, None] = {}
    for report in reports:
        style = _STYLES[report.state.value]
        table.add_row(
            report.dataset,
            report.split,
            f"[{style}]{report.state.value}[/]",
            _counts(report.found),
            _counts(report.published),
        )
        if report.advice:
            advice[f"{report.dataset} {report.split}: {report.advice}"] = None
    console.print(table)
    for line in advice:
        console.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)


def _counts(counts: object) -> str:
    return ", ".join(f"{count} {what}" for what, count in dict(counts).items())  # type: ignore[call-overload]


@data.command("shard")
def shard(
    root: Annotated[Path, typer.Argument(help="Folder of all datasets.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Folder for the shards; made if missing.", show_default=False)],
    dataset: Annotated[list[str], typer.Option(help="Which one; may be given several times.", show_default=False)],
    split: Annotated[str, typer.Option(help="Which split of it.")] = "train",
    records: Annotated[int, typer.Option(min=1, help="Images in a shard.")] = 1000,
) -> None:
    """Write a dataset as WebDataset shards (tar files), for clusters. Finished shards are kept: run it again to resume.

    * instructseq data shard /data out/shards --dataset coco_stuff

    * instructseq data shard /data out/shards --dataset refcoco --split val

    The training splits of RefCOCO, RefCOCO+, RefCOCOg and gRefCOCO are written without the images that any of them
    validates or tests on.
    """
    _require_training()
    from instructseq_training.datasets.overlap import FAMILY, TRAIN, held_out_images, open_training_split
    from instructseq_training.datasets.shards import write_shards
    from instructseq_training.datasets.table import open_split

    held_out = None
    for name in dataset:
        if split == TRAIN:
            if name in FAMILY and held_out is None:
                held_out = held_out_images(root)
            training = open_training_split(root, name, held_out=held_out)
            chosen = training.split
            typer.echo(training.message(name))
        else:
            chosen = open_split(root, name, split)
        files = write_shards(chosen, out, dataset=name, name=split, per_shard=records)
        typer.echo(f"{name} {split}: {len(chosen)} images in {len(files)} shards: {out}")
