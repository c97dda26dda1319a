"""A whole recipe in one command, from scenes to a calibrated checkpoint. Given again, it goes on where it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from rich.console import Console

from instructseq_model.errors import ConfigError
from instructseq_training import export, train
from instructseq_training.calibration import calibrate
from instructseq_training.config import from_mapping
from instructseq_training.router_training import ROUTER_EPOCHS
from instructseq_training.scenes.config import SceneConfig
from instructseq_training.scenes.generate import run as render
from instructseq_training.vqvae.run import run as train_vqvae


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """A recipe.

    Attributes:
        frames: rendered frames of each split.
        seeds: of each split.
        workers: processes that render.
        scenes: how scenes are drawn, a YAML path relative to the recipe's; None for the defaults.
        vqvae: the VQ-VAE's recipe, relative likewise.
        training: the model's recipe, relative likewise.
        router_epochs: passes over the router's instructions.
        calibration_frames: rendered for the calibration alone, with the seed after the last of `seeds`; 0 leaves the
            checkpoint uncalibrated.
    """

    frames: Mapping[str, int]
    vqvae: str
    training: str
    seeds: Mapping[str, int] = field(default_factory=lambda: {"train": 1, "val": 2, "heldout": 3})
    workers: int = 2
    scenes: str | None = None
    router_epochs: int = ROUTER_EPOCHS
    calibration_frames: int = 0


def load_pipeline_config(path: Path) -> PipelineConfig:
    """Read a recipe.

    Raises:
        ConfigError: no such file, or a key that does not exist.
    """
    if not path.is_file():
        raise ConfigError(f"there is no recipe {path}; see config/recipes")
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict) or not {"frames", "vqvae", "training"} <= set(values):
        raise ConfigError(f"{path} must be a mapping with frames, vqvae and training; compare config/recipes")
    return from_mapping(PipelineConfig, values, origin=str(path))


def run(recipe: Path, *, out: Path, assets: Path | None = None) -> Path:
    """Do everything that a recipe says.

    Args:
        recipe: a file of config/recipes.
        out: folder for scenes, VQ-VAE, run and checkpoint.
        assets: folder of object models; None finds or fetches them.

    Returns:
        The checkpoint's folder.
    """
    config = load_pipeline_config(recipe)
    scene_config = SceneConfig.from_yaml(recipe.parent / config.scenes) if config.scenes else None
    scenes = out / "scenes"
    for split, frames in config.frames.items():
        render(scenes, frames, split, config.seeds[split], config.workers, assets, config=scene_config)
    vqvae = out / "vqvae"
    if not (vqvae / "report.json").is_file():
        train_vqvae(recipe.parent / config.vqvae, data=scenes, out=vqvae)
    training = recipe.parent / config.training
    train.run(training, scenes=[scenes], vqvae=vqvae, out=out / "run")
    export.export(training, run=out / "run", vqvae=vqvae, out=out / "checkpoint", router_epochs=config.router_epochs)
    if config.calibration_frames:
        own, seed = out / "calibration", max(config.seeds.values()) + 1
        render(own, config.calibration_frames, "val", seed, config.workers, assets, config=scene_config)
        calibrate(out / "checkpoint", scenes=own, frames=config.calibration_frames)
    Console().print(f"checkpoint: {out / 'checkpoint'}")
    return out / "checkpoint"
