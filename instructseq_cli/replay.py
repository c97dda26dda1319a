"""`instructseq replay`: recordings as test sets."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from instructseq_model.checkpoint_folders import DEFAULT, find_checkpoint
from instructseq_model.errors import ConfigError

INCOMPLETE = 3
"""Exit code where parts of the bags could not be read; everything else was evaluated."""


def replay(
    bags: Annotated[list[Path], typer.Argument(help="Folders of bags, or .mcap and .db3 files.", show_default=False)],
    instructions: Annotated[Path, typer.Option(help="What to ask of every frame: a YAML file.", show_default=False)],
    truth: Annotated[
        list[str] | None,
        typer.Option(help="What would be right: masks:TOPIC, boxes:TOPIC, classes:TOPIC, scene:PREFIX or coco:FILE."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results; a run in it goes on.")] = Path("out/replay"),
    checkpoint: Annotated[
        str, typer.Option(help="Folder of a checkpoint or an export, or the name of one that is shipped.")
    ] = DEFAULT,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    threads: Annotated[
        int, typer.Option(min=1, help="CPU threads of the model; equal results need equal numbers.")
    ] = 1,
    against: Annotated[
        Path | None, typer.Option(help="Compare with the run in this folder.", show_default=False)
    ] = None,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Play the bags to the node over DDS instead of asking the model.")
    ] = False,
    rate: Annotated[float, typer.Option(min=0.01, max=100.0, help="Speed of --realtime; 1 as recorded.")] = 1.0,
    engine: Annotated[str, typer.Option(help="local, or ray for many workers and machines.")] = "local",
    workers: Annotated[int, typer.Option(min=1, max=10_000, help="Processes of the engine ray.")] = 2,
    worst: Annotated[int, typer.Option(min=0, max=200, help="Frames that the report shows of each instruction.")] = 6,
) -> None:
    """Run recordings through the model: scores, a bag of answers, and a report with the worst frames first.

    * instructseq replay kitchen_bag --instructions ask.yaml

    * instructseq replay demo/table --instructions demo/replay.yaml --truth scene:/truth

    * instructseq replay bags/* --instructions ask.yaml --checkpoint out/new --out out/b --against out/a

    * instructseq replay kitchen_bag --instructions ask.yaml --realtime --rate 0.5

    **ask.yaml:**

        instructions:
          - id: mug
            say: Mark the red mug in green.
            meant: segmentation       # needed only with --truth
            targets: [red mug]        # what the truth calls it

    Further keys: cameras, period and seed for all; samples, temperature, task and label_set for each (docs/replay.md).
    A run that was killed goes on with the same command; finished frames are not done again. Exit code 0: done;
    3: done, but parts of the bags could not be read (they are listed); 2: something to mend. Needs a shell with ROS 2's
    message definitions: `. scripts/env.sh`.
    """
    for module in ("rosbags", "mcap", "jinja2", "matplotlib"):
        if find_spec(module) is None:
            raise ConfigError(f"replay needs the package {module}: run scripts/setup.sh, or `pip install {module}`")
    from instructseq_replay.command import Request, run_replay

    if realtime and engine != "local":
        raise ConfigError("--realtime plays to one node: leave --engine out")
    request = Request(
        bags=tuple(bags),
        instructions=instructions,
        truth=tuple(truth or ()),
        out=out,
        checkpoint=find_checkpoint(checkpoint),
        device=device,
        threads=threads,
        against=against,
        rate=rate if realtime else None,
        engine=engine,
        workers=workers,
        worst=worst,
    )
    outcome = run_replay(request, console=Console(highlight=False, soft_wrap=True))
    if not outcome.complete:
        raise typer.Exit(INCOMPLETE)
