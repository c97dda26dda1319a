"""The console program `instructseq`: its commands, none of which imports anything heavy before it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from instructseq_cli import (
    bench,
    checkpoint_info,
    data,
    export,
    instructions,
    listen,
    node,
    perceive,
    replay,
    sim,
    tables,
    training,
)
from instructseq_cli.demo import command as demo
from instructseq_cli.failures import Program

app = typer.Typer(
    name="instructseq",
    cls=Program,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"instructseq {version('instructseq')}")
        except PackageNotFoundError:
            typer.echo("instructseq (run from a source tree that is not installed)")
        raise typer.Exit


@app.callback()
def program(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where an error came from.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Say what you want to see; get a mask, a box, a caption and how sure the model is.

    **On a picture:**

    * instructseq perceive desk.jpg "mark the red mug in green"

    **On a robot** (two shells, each after `. scripts/env.sh`):

    * instructseq node --image /camera/color/image_raw

    * instructseq say "where is the mug left of the laptop?"

    **Make your own model:**

    * instructseq scenes out/scenes --frames 1000

    * instructseq train --help

    `instructseq COMMAND --help` tells the rest. Exit code 0: done; 2: something to mend, said in one red line.
    """


app.command("perceive")(perceive.perceive)
app.command("node", context_settings=node.PASS_ON)(node.node)
app.command("say")(node.say)
app.command("listen", context_settings=node.PASS_ON)(listen.listen)
app.command("sim", context_settings=node.PASS_ON)(sim.sim)
app.command("hearing")(listen.hearing)
app.command("scenes")(training.scenes)
app.add_typer(training.train, name="train")
app.add_typer(data.data, name="data")
app.add_typer(instructions.instructions, name="instructions")
app.command("evaluate")(training.evaluate)
app.command("tables")(tables.tables)
app.command("bench")(bench.bench)
app.command("replay")(replay.replay)
app.command("export")(export.export)
app.command("info")(checkpoint_info.info)
app.command("demo")(demo.demo)
