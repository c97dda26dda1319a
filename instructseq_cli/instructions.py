"""`instructseq instructions`: the sentences that a model is trained to understand."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instructseq_model.errors import ConfigError

if TYPE_CHECKING:
    from instructseq_training.phrasing_generation.kinds import Kind

instructions = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
"""The set of phrasings, as sub-commands."""


class Split(str, Enum):
    """The sets that phrasings may be meant for."""

    TRAIN = "train"
    HELD_OUT = "held_out"


@instructions.callback()
def steps() -> None:
    """Make phrasings of what a model may be asked to do.

    * instructseq instructions generate out/phrasings --model anthropic/claude-sonnet-4-5 --max-cost 2
    """


@instructions.command("generate")
def generate(
    out: Annotated[Path, typer.Argument(help="Folder for the files and the journal.", show_default=False)],
    model: Annotated[
        str,
        typer.Option(
            envvar="INSTRUCTSEQ_MODEL",
            help="anthropic/NAME, openai/NAME (any OpenAI-compatible endpoint), or another of litellm's names.",
            show_default=False,
        ),
    ],
    api_base: Annotated[
        str | None,
        typer.Option(envvar="INSTRUCTSEQ_API_BASE", help="Address of the endpoint. Default: the provider's."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            help="caption, detection, segmentation, semantic_household, semantic_coco_stuff or semantic_ade20k; "
            "may be given several times. Default: all."
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Phrasings of each task, those of earlier runs included.")] = 300,
    split: Annotated[Split, typer.Option(help="The set that they are meant for.")] = Split.TRAIN,
    batch: Annotated[int, typer.Option(min=1, max=100, help="Phrasings to ask for at once.")] = 25,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="Of the model's sampling.")] = 1.0,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that an answer may take.")] = 120.0,
    retries: Annotated[int, typer.Option(min=0, max=20, help="Asks again after a failure that may pass.")] = 5,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="US dollars that all runs on this folder may cost.")
    ] = None,
    input_price: Annotated[
        float | None, typer.Option(min=0, help="US dollars a million tokens of requests. Default: litellm's table.")
    ] = None,
    output_price: Annotated[
        float | None, typer.Option(min=0, help="US dollars a million tokens of answers. Default: litellm's table.")
    ] = None,
) -> None:
    """Let a language model write phrasings; wrong ones and near duplicates are left out, and counted.

    * instructseq instructions generate out/phrasings --model anthropic/claude-sonnet-4-5 --max-cost 2

    * instructseq instructions generate out/phrasings --model openai/qwen3 --api-base http://localhost:8000/v1

    Keys come from the provider's usual environment variable (ANTHROPIC_API_KEY, OPENAI_API_KEY, ...) and are never
    shown. The same command goes on where it was interrupted. The files are marked as not yet reviewed: read every line.
    """
    _require_generation()
    from rich.console import Console

    from instructseq_training.phrasing_generation.endpoint import Endpoint, EndpointSettings
    from instructseq_training.phrasing_generation.generate import GenerationSettings
    from instructseq_training.phrasing_generation.generate import generate as run
    from instructseq_training.phrasing_generation.kinds import kinds_named
    from instructseq_training.phrasing_generation.progress import GenerationProgress

    settings = GenerationSettings(
        model=model, kinds=kinds_named(task or ()), count=count, split=split.value, batch=batch, max_cost=max_cost
    )
    console = Console(stderr=True)
    bars: list[GenerationProgress] = []
    endpoint = Endpoint(
        EndpointSettings(
            model=model,
            api_base=api_base,
            temperature=temperature,
            timeout=timeout,
            retries=retries,
            input_price=input_price,
            output_price=output_price,
        ),
        on_retry=lambda text: bars[0].say(text),
    )
    try:
        with GenerationProgress(settings.kinds, count=count, console=console, has_price=endpoint.has_price) as progress:
            bars.append(progress)
            outcome = run(out, settings, model=endpoint, on_answer=progress.show)
    finally:
        _report(out, settings.kinds, has_price=endpoint.has_price)
    for reason in outcome.stopped:
        typer.echo(f"stopped early: {reason}")
    typer.echo(f"not yet reviewed: {', '.join(str(file) for file in outcome.files) or 'nothing was written'}")


def _report(out: Path, kinds: Sequence[Kind], *, has_price: bool) -> None:
    """Print what the journal holds, also after an error."""
    from rich.console import Console

    from instructseq_training.phrasing_generation.journal import NAME, Journal
    from instructseq_training.phrasing_generation.progress import spent, summary

    if not (out / NAME).exists():
        return
    journal = Journal(out / NAME)
    Console().print(summary(journal, kinds))
    typer.echo(spent(journal, has_price=has_price))


def _require_generation() -> None:
    """Check that what generation needs is installed.

    Raises:
        ConfigError: it is not; the message says what to install.
    """
    try:
        importlib.import_module("instructseq_training.phrasing_generation.generate")
    except ImportError as error:
        raise ConfigError(f"generation is not installed ({error}): `pip install -e .[generate]`") from None
