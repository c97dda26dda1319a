"""`instructseq perceive`: one image, one instruction, the answer as files and in words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from instructseq_cli.model_access import load_perceiver, parse_task
from instructseq_model.checkpoint_folders import DEFAULT
from instructseq_model.errors import InstructionError


def perceive(
    image: Annotated[Path, typer.Argument(help="JPEG, PNG, WebP or TIFF, at most 100 megapixels.", show_default=False)],
    instruction: Annotated[str, typer.Argument(help="What to do, in plain English.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the results; made if missing.")] = Path("out/perceive"),
    checkpoint: Annotated[
        str, typer.Option(help="Folder of a checkpoint or an export, or the name of one that is shipped.")
    ] = DEFAULT,
    samples: Annotated[int, typer.Option(min=1, max=32, help="Sequences to draw and aggregate; 1 is fastest.")] = 1,
    temperature: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=2.0, help="Sampling temperature; 0 takes the likeliest. [default: 0; 0.9 with --samples]"
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Same seed, same answer.", show_default=False)] = None,
    label_set: Annotated[
        str | None,
        typer.Option(help="Classes of a semantic map: household, coco_stuff or ade20k. Default: by instruction."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="semantic, segmentation, detection or caption. Default: by instruction."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    backend: Annotated[
        str | None,
        typer.Option(help="torch, torch-compiled, onnxruntime or tensorrt. Default: what the folder was written for."),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(help="Format of the weights: auto, float32, bfloat16 (fast with AMX), int8 or int4."),
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, max=256, help="CPU threads. Default: every core.", show_default=False)
    ] = None,
) -> None:
    """Carry out one INSTRUCTION on one IMAGE.

    The instruction decides what comes back: a mask, boxes, a caption or a map of classes.

    * instructseq perceive desk.jpg "mark the mug left of the laptop in green"

    * instructseq perceive desk.jpg "where is the red cup?"

    * instructseq perceive desk.jpg "describe the picture"

    * instructseq perceive desk.jpg "segment everything" --samples 10 --seed 1 --out out/desk

    Written to --out: **overlay.png** (for people), **mask.png** (0 and 1, or class ids; the highest id is unlabelled),
    **confidence.png** (value / 255), **agreement.png** (with --samples), **perception.json**.
    """
    from instructseq_cli.images import read_image
    from instructseq_cli.results import in_words, write_results

    if not instruction.strip():
        raise InstructionError('the instruction is empty: say what to do, for example "mark the red mug"')
    pixels = read_image(image)
    chosen_task = parse_task(task)
    perceiver = load_perceiver(checkpoint, device=device, threads=threads, backend=backend, precision=precision)
    perception = perceiver(
        pixels,
        instruction,
        samples=samples,
        temperature=temperature,
        seed=seed,
        label_set=label_set,
        task=chosen_task,
    )
    files = write_results(out, pixels, perception)
    console = Console(highlight=False)
    console.print(in_words(perception), style="bold", markup=False)
    total = perception.timings.get("total")
    spent = f", {total:.2f} s" if total is not None else ""
    console.print(f"{perception.task.value}, score {perception.score:.2f}{spent}", style="dim")
    console.print(f"{out}/: {', '.join(file.name for file in files)}", style="dim", markup=False, soft_wrap=True)
