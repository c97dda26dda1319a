"""One VQ-VAE from one YAML file: data, training, report and picture. Under torchrun, every process calls `run`."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from rich.progress import Progress, TextColumn

from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.label_sets import label_set
from instructseq_model.vqvae import VQVAEConfig, save_vqvae
from instructseq_training.parallel import Processes, join, leave
from instructseq_training.progress_columns import progress_columns
from instructseq_training.vqvae.adversary import CHANCE, DISCRIMINATOR_FILE, Adversary, load_adversary
from instructseq_training.vqvae.data import DataConfig, map_palettes, measuring_maps, training_maps
from instructseq_training.vqvae.perceptual import PERCEPTUAL_FILE, PerceptualDistance, load_perceptual
from instructseq_training.vqvae.recipe import Recipe
from instructseq_training.vqvae.reconstruction import reconstruction_losses
from instructseq_training.vqvae.report import write_report
from instructseq_training.vqvae.start import beside
from instructseq_training.vqvae.trainer import StepReport, Trainer

PARTS = ("start", "model", "training", "data")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A configuration file.

    Attributes:
        start: weights to start from, a path relative to the file; None for chance.
        model: the shape.
        training: how to train.
        data: which maps.
        folder: of the file.
    """

    start: str | None
    model: VQVAEConfig
    training: Recipe
    data: DataConfig
    folder: Path


def run(
    config: Path, *, data: Path | None, out: Path, resume: bool = True, start: Path | None = None
) -> dict[str, Any]:
    """Train a VQ-VAE and measure it.

    Args:
        config: YAML file with the mappings `model` (`VQVAEConfig`), `training` (`Recipe`) and `data` (`DataConfig`),
            and `start`, the weights to start from.
        data: folder of scene shards (train-*.tar, val-*.tar), or of the public datasets that the file names; None
            trains and measures on made-up maps.
        out: folder for model.safetensors, config.yaml, report.json, log.jsonl, recon.png and the snapshot. All
            processes must see it.
        resume: go on from the snapshot in `out`, if there is one.
        start: in place of the file's `start`.

    Returns:
        The report: steps, seconds of this process and the numbers of `Reconstruction`; of another process than the main
        one, nothing.

    Raises:
        ConfigError: the YAML file is missing, or names something unknown.
        CheckpointError: the snapshot or the weights to start from do not belong to this configuration.
    """
    torch.set_flush_denormal(True)  # vanishing second moments of Adam would slow the processor down a hundredfold
    plan = read_config(config)
    source = start or (plan.folder / plan.start if plan.start else None)
    processes = join("ddp")
    try:
        trainer = build_trainer(plan, data=data, start=source, processes=processes)
        resumed = resume and trainer.resume(out)
        if source is not None and not resumed:
            trainer.start_from(source)
        processes.wait()  # nobody writes a snapshot before all have looked
        began = time.monotonic()
        _train_with_progress(trainer, out)
        report = {}
        if processes.main:
            save_vqvae(trainer.model, out)
            maps = measuring_maps(data, plan.data, side=plan.model.resolution)
            known = {"steps": trainer.step, "seconds": round(time.monotonic() - began, 1)}
            report = write_report(trainer.model.eval(), maps, plan.data, out=out, known=known)
        processes.wait()
    finally:
        leave()
    return report


def read_config(path: Path) -> Plan:
    """The parts of a configuration file.

    Raises:
        ConfigError: it is missing, no mapping of the parts, or a part has an unknown key.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; config/vqvae/ has examples")
    parts = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(parts, dict) or set(parts) - set(PARTS):
        raise ConfigError(f"{path}: must be a mapping with the parts {', '.join(PARTS)} only")
    start = parts.get("start")
    if start is not None and not isinstance(start, str):
        raise ConfigError(f"{path}: start is the path of a folder or of a .safetensors file, got {start!r}")
    return Plan(
        start=start,
        model=VQVAEConfig.from_mapping(parts.get("model") or {}),
        training=Recipe.from_mapping(parts.get("training") or {}),
        data=DataConfig.from_mapping(parts.get("data") or {}),
        folder=path.parent,
    )


def build_trainer(plan: Plan, *, data: Path | None, start: Path | None, processes: Processes) -> Trainer:
    """Model, maps and losses, put together.

    Args:
        plan: the configuration.
        data: as of `run`.
        start: weights to start from, beside which those of the losses may lie.
        processes: that train together.

    Raises:
        ConfigError, CheckpointError: as of `run`.
    """
    recipe = plan.training
    torch.manual_seed(recipe.seed)
    return Trainer(
        plan.model,
        recipe,
        source=training_maps(data, plan.data, side=plan.model.resolution),
        palettes=map_palettes(label_set(plan.data.label_set)),
        losses=reconstruction_losses(recipe, network=_perceptual(plan, start, processes.device)),
        adversary=_adversary(plan, start, processes.device),
        processes=processes,
    )


def _perceptual(plan: Plan, start: Path | None, device: torch.device) -> PerceptualDistance | None:
    config = plan.training.perceptual
    if config is None:
        return None
    path = plan.folder / config.weights if config.weights else beside(start, PERCEPTUAL_FILE)
    if path is None:
        raise CheckpointError(
            f"the recipe has perceptual, but no {PERCEPTUAL_FILE} lies beside the weights to start from ({start}); "
            "make it: `python -m instructseq_training.vqvae.convert_perceptual OUT`, and name it in perceptual.weights"
        )
    return load_perceptual(path).to(device)


def _adversary(plan: Plan, start: Path | None, device: torch.device) -> Adversary | None:
    config = plan.training.adversarial
    if config is None:
        return None
    if config.weights == CHANCE:
        return load_adversary(config, None, device=device)
    path = plan.folder / config.weights if config.weights else beside(start, DISCRIMINATOR_FILE)
    if path is None:
        raise CheckpointError(
            f"the recipe has adversarial, but no {DISCRIMINATOR_FILE} lies beside the weights to start from ({start}); "
            f"name a file in adversarial.weights, or set it to {CHANCE}"
        )
    return load_adversary(config, path, device=device)


def _train_with_progress(trainer: Trainer, out: Path) -> None:
    if not trainer.processes.main:
        trainer.run()
        return
    out.mkdir(parents=True, exist_ok=True)
    columns = (*progress_columns(), TextColumn("{task.fields[losses]}"))
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(*columns))
        log = stack.enter_context((out / "log.jsonl").open("a", buffering=1, encoding="utf-8"))
        task = progress.add_task("VQ-VAE", total=trainer.recipe.steps, completed=trainer.step, losses="")

        def show(step: StepReport) -> None:
            row = {"step": step.step, **step.losses, "moved": step.moved, "seconds": step.seconds}
            log.write(json.dumps(row) + "\n")
            shown = "  ".join(f"{name} {step.losses[name]:.3f}" for name in trainer.losses)
            progress.update(task, completed=step.step, losses=shown)

        trainer.run(folder=out, report=show)
