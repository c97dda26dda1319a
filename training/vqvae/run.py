"""One VQ-VAE from one YAML file: data, training, report and picture."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from instructseq_model.errors import ConfigError
from instructseq_model.label_sets import label_set
from instructseq_model.palette import NAMED_COLOURS, LabelSet
from instructseq_model.vqvae import VQVAEConfig, load_vqvae, save_vqvae
from instructseq_training.vqvae.evaluation import evaluate
from instructseq_training.vqvae.maps import MapSource, Palettes, draw_batch
from instructseq_training.vqvae.picture import reconstruction_sheet
from instructseq_training.vqvae.recipe import Recipe
from instructseq_training.vqvae.scenes import MixedMaps, SceneMaps, read_scene_maps
from instructseq_training.vqvae.synthetic import SyntheticMaps
from instructseq_training.vqvae.trainer import StepReport, Trainer

EVALUATION_SEED = 99


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What the maps are.

    Args:
        label_set: name of the label set of semantic maps.
        scene_share: part of the maps that come from scenes, where there are any; the rest is synthetic.
        evaluation_maps: whole maps the report is measured on, half of them referring.
    """

    label_set: str = "household"
    scene_share: float = 0.6
    evaluation_maps: int = 400


def run(config: Path, *, data: Path | None, out: Path, resume: bool = True, init: Path | None = None) -> dict[str, Any]:
    """Train a VQ-VAE and measure it.

    Args:
        config: YAML file with the mappings `model` (`VQVAEConfig`), `training` (`Recipe`) and `data` (`DataConfig`).
        data: folder of scene shards (train-*.tar, val-*.tar); None trains and measures on synthetic maps.
        out: folder for model.safetensors, config.yaml, report.json, log.jsonl, recon.png and the snapshot.
        resume: go on from the snapshot in `out`, if there is one.
        init: folder of a trained or converted VQ-VAE of the same shape to start from; None starts from chance.

    Returns:
        The report: steps, seconds of this process and the numbers of `Reconstruction`.

    Raises:
        ConfigError: the YAML file is missing, or names something unknown.
        CheckpointError: the snapshot or `init` does not belong to this configuration.
    """
    torch.set_flush_denormal(True)  # vanishing second moments of Adam would slow the processor down a hundredfold
    model_config, recipe, data_config = read_config(config)
    labels = label_set(data_config.label_set)
    palettes = map_palettes(labels)
    training, measuring = sources(data, data_config, labels, side=model_config.resolution)
    trainer = Trainer(model_config, recipe, source=training, palettes=palettes)
    if init is not None:
        trainer.start_from(load_vqvae(init))
    if resume:
        trainer.resume(out)
    began = time.monotonic()
    _train_with_progress(trainer, out)
    save_vqvae(trainer.model, out)
    side = model_config.resolution
    rng = np.random.default_rng(EVALUATION_SEED)
    maps = draw_batch(measuring, rng, maps=data_config.evaluation_maps, crop=side, referring_share=0.5)
    measured = evaluate(trainer.model.eval(), maps, palettes)
    report = {"steps": trainer.step, "seconds": round(time.monotonic() - began, 1), **measured.rounded()}
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    reconstruction_sheet(trainer.model, maps, palettes, out / "recon.png")
    return report


def read_config(path: Path) -> tuple[VQVAEConfig, Recipe, DataConfig]:
    """The three parts of a configuration file.

    Raises:
        ConfigError: it is missing, no mapping of the three parts, or a part has an unknown key.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; config/vqvae/ has examples")
    parts = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(parts, dict) or set(parts) - {"model", "training", "data"}:
        raise ConfigError(f"{path}: must be a mapping with the parts model, training and data only")
    try:
        data = DataConfig(**(parts.get("data") or {}))
    except TypeError as error:
        raise ConfigError(f"{path}: data: {error}; known are label_set, scene_share and evaluation_maps") from error
    return VQVAEConfig.from_mapping(parts.get("model") or {}), Recipe.from_mapping(parts.get("training") or {}), data


def map_palettes(labels: LabelSet) -> Palettes:
    """Black and the colours of a label set; black and the named colours."""
    black = np.zeros((1, 3), np.uint8)
    named = np.array(list(NAMED_COLOURS.values()), np.uint8)
    return Palettes(semantic=np.concatenate([black, labels.colours]), referring=np.concatenate([black, named]))


def sources(data: Path | None, config: DataConfig, labels: LabelSet, *, side: int) -> tuple[MapSource, MapSource]:
    """The maps to train on and the maps to measure on; the latter keep their true classes."""
    classes, named = len(labels.names), len(NAMED_COLOURS)
    synthetic = SyntheticMaps(side=side, classes=classes, named_colours=named)
    if data is None:
        return synthetic, synthetic

    def scenes(split: str, recoloured: float) -> SceneMaps:
        return read_scene_maps(
            data, split=split, side=side, named_colours=named, class_count=classes, recoloured=recoloured
        )

    mixed = MixedMaps(first=scenes("train", 0.3), second=synthetic, share=config.scene_share)
    return mixed, scenes("val", 0.0)


def _train_with_progress(trainer: Trainer, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    columns = (
        TextColumn("VQ-VAE"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress, (out / "log.jsonl").open("a", encoding="utf-8") as log:
        task = progress.add_task("", total=trainer.recipe.steps, completed=trainer.step)

        def show(step: StepReport) -> None:
            log.write(json.dumps(vars(step)) + "\n")
            progress.update(task, completed=step.step, description=f"L1 {step.l1:.3f}  palette {step.palette:.3f}")

        trainer.run(folder=out, report=show)
