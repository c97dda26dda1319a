"""`instructseq scenes` and `instructseq train`: the training side, which a robot need not have installed."""

from __future__ import annotations

import importlib
import json
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
    split: Annotated[str, typer.Option(help="train, val or heldout (objects that are never trained on).")] = "train",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same pictures.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that render side by side.")] = 1,
    config: Annotated[
        Path | None, typer.Option(help="How scenes are drawn, as YAML; see config/scenes.", show_default=False)
    ] = None,
    bag: Annotated[
        bool, typer.Option("--bag", help="A clip of a moving camera, 640x480 at 10 Hz, as a bag instead of shards.")
    ] = False,
    assets: Annotated[
        Path | None, typer.Option(help="Folder of object models. Default: installed, or fetched.", show_default=False)
    ] = None,
) -> None:
    """Render scenes with exact masks, boxes, referring expressions and captions, as tar shards for training.

    * instructseq scenes out/scenes --frames 3000 --workers 2

    * instructseq scenes out/heldout --frames 150 --split heldout --seed 7

    * instructseq scenes out/clip --bag --frames 50 --split val --seed 6

    Shards that are there already are kept: the same command goes on where an earlier one was interrupted.
    """
    _require_training("instructseq_training.scenes.generate")
    from instructseq_training.scenes.config import SceneConfig
    from instructseq_training.scenes.generate import run

    if bag:
        count = _write_clip(out, frames=frames, split=split, seed=seed, assets=assets)
        typer.echo(f"{count} frames in a bag: {out}")
        return
    settings = SceneConfig.from_yaml(config) if config is not None else None
    shards = run(out, frames, split, seed, workers, assets, config=settings)
    typer.echo(f"{frames} frames in {len(shards)} shards: {out}")


def _write_clip(out: Path, *, frames: int, split: str, seed: int, assets: Path | None) -> int:
    """Render a clip into a bag; returns how many frames it has."""
    from instructseq_cli.demo.scene_bag import write_scene_bag
    from instructseq_training.scenes.video import video

    return write_scene_bag(out, video(seed=seed, frames=frames, split=split, assets=assets))


train = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
"""The steps of training, as sub-commands."""


@train.callback()
def steps() -> None:
    """Train a model on rendered scenes, step by step.

    * instructseq scenes out/scenes --frames 9000 --split train --workers 2

    * instructseq scenes out/scenes --frames 600 --split val, and the same with heldout

    * instructseq train vqvae config/vqvae/household.yaml --scenes out/scenes --out out/vqvae

    * instructseq train model config/training/household-cpu.yaml --scenes out/scenes --vqvae out/vqvae --out out/run

    * instructseq train checkpoint config/training/household-cpu.yaml --run out/run --vqvae out/vqvae --out out/model

    * instructseq scenes out/calibration --frames 60 --split val --seed 4

    * instructseq train calibration out/model --scenes out/calibration

    Or all of it: instructseq train all config/recipes/household-cpu.yaml --out out/household

    Every step goes on where it was interrupted when the same command is given again.
    """


@train.command("all")
def train_all(
    recipe: Annotated[Path, typer.Argument(help="A recipe: config/recipes/*.yaml.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for everything; made if missing.")] = Path("out/household"),
    assets: Annotated[
        Path | None, typer.Option(help="Folder of object models. Default: installed, or fetched.", show_default=False)
    ] = None,
) -> None:
    """From nothing to a checkpoint: scenes, VQ-VAE, model.

    * instructseq train all config/recipes/household-cpu.yaml --out out/household
    """
    _require_training("instructseq_training.pipeline")
    from instructseq_training.pipeline import run

    run(recipe, out=out, assets=assets)


@train.command("checkpoint")
def train_checkpoint(
    config: Annotated[Path, typer.Argument(help="The run's recipe: config/training/*.yaml.", show_default=False)],
    run: Annotated[Path, typer.Option(help="Folder that `instructseq train model` wrote.")],
    vqvae: Annotated[Path, typer.Option(help="Folder that `instructseq train vqvae` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint; made if missing.")],
) -> None:
    """Write a run's averaged weights as a checkpoint that a robot can load; trains the router on the way.

    * instructseq train checkpoint config/training/household-cpu.yaml --run out/run --vqvae out/vqvae --out out/model
    """
    _require_training("instructseq_training.export")
    from instructseq_training.export import export

    export(config, run=run, vqvae=vqvae, out=out)
    typer.echo(f"checkpoint: {out}")


@train.command("calibration")
def train_calibration(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a checkpoint; it gets the calibration.")],
    scenes: Annotated[Path, typer.Option(help="Folder of scene shards used for nothing else.")],
    frames: Annotated[int, typer.Option(min=1, help="Frames, six questions each.")] = 160,
    split: Annotated[str, typer.Option(help="Split of the scenes.")] = "val",
) -> None:
    """Teach a checkpoint how often it is right: confidence and scores become shares of right answers.

    * instructseq scenes out/calibration --frames 160 --split val --seed 4

    * instructseq train calibration out/model --scenes out/calibration
    """
    _require_training("instructseq_training.calibration")
    from instructseq_training.calibration import calibrate

    calibrate(checkpoint, scenes=scenes, frames=frames, split=split)
    typer.echo(f"calibrated: {checkpoint}")


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a checkpoint.", show_default=False)],
    scenes: Annotated[Path, typer.Option(help="Folder of scene shards, splits train, val and heldout.")],
    out: Annotated[Path, typer.Option(help="The JSON file; a Markdown table lies beside it.")] = Path(
        "out/evaluation.json"
    ),
    frames: Annotated[int, typer.Option(min=1, help="Frames of each split.")] = 60,
    expressions: Annotated[
        int, typer.Option(min=2, help="Of each frame; the first half are to be marked, the others to be boxed.")
    ] = 8,
    samples: Annotated[int, typer.Option(min=1, max=32, help="Sequences drawn and aggregated an answer.")] = 1,
    baselines: Annotated[bool, typer.Option(help="Score the three baselines too.")] = True,
    precision: Annotated[
        str, typer.Option(help="Format of the weights: auto, float32, bfloat16, int8 or int4.")
    ] = "auto",
) -> None:
    """Score a checkpoint, free-running: new scenes, held-out objects, held-out phrasings, real photographs.

    * instructseq evaluate checkpoints/household --scenes out/scenes --out out/evaluation.json

    * instructseq evaluate checkpoints/household --scenes out/scenes --precision int8 --no-baselines --out out/int8.json
    """
    _require_training("instructseq_training.evaluate")
    from instructseq_training.evaluate import run

    run(
        checkpoint,
        scenes=scenes,
        out=out,
        frames=frames,
        expressions=expressions,
        samples=samples,
        baselines=baselines,
        precision=precision,
    )


@train.command("vqvae")
def train_vqvae(
    config: Annotated[Path, typer.Argument(help="A recipe: config/vqvae/*.yaml.", show_default=False)],
    data: Annotated[
        Path | None,
        typer.Option(
            "--scenes",
            "--data",
            help="Folder of scene shards, or of the public datasets that the recipe names. Default: made-up maps.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the VQ-VAE; made if missing.")] = Path("out/vqvae"),
    start: Annotated[
        Path | None,
        typer.Option(
            help="Weights to start from, in place of the recipe's start: a folder that conversion or training wrote, "
            "or a .safetensors file.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Train the VQ-VAE that turns painted maps into visual tokens and back.

    * instructseq train vqvae config/vqvae/household.yaml --scenes out/scenes --out out/vqvae

    * instructseq train vqvae config/vqvae/paper.yaml --start out/vq-f8 --data datasets --out out/vqvae-paper

    * torchrun --nproc-per-node 8 --no-python instructseq train vqvae RECIPE --data DIR --out DIR

    The same command goes on where an earlier one was interrupted. docs/vqvae.md says how to get the published weights.
    """
    _require_training("instructseq_training.vqvae.run")
    from instructseq_training.vqvae.run import run

    report = run(config, data=data, out=out, start=start)
    if report:
        typer.echo(json.dumps(report, indent=2, default=str))


@train.command("vqvae-report")
def vqvae_report(
    vqvae: Annotated[Path, typer.Argument(help="Folder of a VQ-VAE.", show_default=False)],
    scenes: Annotated[
        Path | None, typer.Option(help="Folder of scene shards. Default: maps made up on the spot.", show_default=False)
    ] = None,
    split: Annotated[str, typer.Option(help="Of the scenes: train, val or heldout.")] = "val",
    label_set: Annotated[
        str, typer.Option(help="Whose colours class maps have: household, coco_stuff (171) or ade20k (150).")
    ] = "household",
    maps: Annotated[int, typer.Option(min=2, help="Maps to measure on, half of them of one object.")] = 400,
    out: Annotated[Path, typer.Option(help="Folder for report.json and recon.png.")] = Path("out/vqvae-report"),
) -> None:
    """Measure a VQ-VAE on maps: what it keeps, which codes it uses, how predictable they are.

    * instructseq train vqvae-report out/vqvae --scenes out/scenes --split heldout

    * instructseq train vqvae-report out/vqvae --label-set coco_stuff

    Scenes in another label set than their own get its colours by chance.
    """
    _require_training("instructseq_training.vqvae.report")
    from instructseq_training.vqvae.data import DataConfig
    from instructseq_training.vqvae.report import report

    config = DataConfig(label_set=label_set, evaluation_maps=maps)
    measured = report(vqvae, data=scenes, config=config, out=out, split=split)
    typer.echo(json.dumps(measured, indent=2))


@train.command("model")
def train_model(
    config: Annotated[Path, typer.Argument(help="A recipe: config/training/*.yaml.", show_default=False)],
    scenes: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of scene shards (train, val, heldout), for recipes without a mixture; give it again to train "
            "on several.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the public datasets, or of their shards, for recipes with a mixture; docs/data.md.",
            show_default=False,
        ),
    ] = None,
    vqvae: Annotated[
        Path | None, typer.Option(help="Folder that `instructseq train vqvae` wrote.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for features, log and weights; made if missing.")] = Path("out/run"),
    start: Annotated[
        Path | None, typer.Option(help="A checkpoint to start from, instead of from nothing.", show_default=False)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell parameters, memory, tokens a step and time, and stop.")
    ] = False,
    gpu: Annotated[str, typer.Option(help="With --dry-run: on which GPU.")] = "H100",
    gpus: Annotated[int, typer.Option(min=1, help="With --dry-run: on how many.")] = 1,
) -> None:
    """Train the transformer that writes the answers, on rendered scenes or, with a mixture in the recipe, on datasets.

    * instructseq train model config/training/household-cpu.yaml --scenes out/scenes --vqvae out/vqvae --out out/run

    * instructseq train model config/training/paper/large.yaml --data datasets --vqvae out/vqvae --out out/large

    * instructseq train model config/training/paper/large.yaml --dry-run --gpu H100 --gpus 8

    * torchrun --nproc-per-node 8 --no-python instructseq train model RECIPE --scenes DIR --vqvae DIR --out DIR

    Several processes need `execution: {parallel: ddp}` or `fsdp2` in the recipe; docs/training.md says more.
    """
    if dry_run:
        _require_training("instructseq_training.dry_run")
        from instructseq_training import dry_run as planning

        planning.run(config, gpu=gpu, gpus=gpus)
        return
    if vqvae is None:
        raise ConfigError("training needs --vqvae; make it with instructseq train vqvae")
    _require_training("instructseq_training.train")
    from instructseq_training.train import run

    run(config, vqvae=vqvae, out=out, scenes=scenes or [], data=data, start=start)
    typer.echo(f"trained: {out}")
