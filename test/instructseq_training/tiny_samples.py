"""A tiny model on small public datasets: as `tiny_world`, with a tiny image encoder of random weights that may learn.

Run as a program it trains in a process of its own, alone or under torchrun, as `tiny_run` does:

    python tiny_samples.py SCENARIOS.json

Each scenario also names "root", the datasets' folder, and "trained", whether the image encoder learns.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from instructseq_model.sequence_model import SequenceConfig, SequenceModel
from instructseq_model.vision import VisionEncoder, VisionSpec
from instructseq_model.vision_transformer import VisionTransformerConfig
from instructseq_training.config import BatchConfig, ExecutionConfig, TrainConfig, VisionConfig
from instructseq_training.datasets.mixture import load_mixture
from instructseq_training.datasets.training_data import TrainingData, open_training_data
from instructseq_training.frozen_encoders import FrozenEncoders
from instructseq_training.instructions import load_instruction_set
from instructseq_training.parallel import Processes
from instructseq_training.sample_batches import FrozenFeatures, SampleBatcher, as_pixels
from instructseq_training.trainer import Trainer

sys.path.insert(0, str(Path(__file__).parent))

import tiny_world
from tiny_training import OPTIMISER, STEPS, run_scenarios, sum_of_weights, write_losses

ROOT = Path(__file__).resolve().parents[2]
MIXTURE = ROOT / "config" / "mixtures" / "paper.yaml"
SPEC = VisionSpec(
    timm_name="test_vit",
    network=VisionTransformerConfig(patch=16, width=64, depth=6, heads=2),
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    patch=16,
    width=64,
)
IMAGE_SIZE = 64
BATCH = BatchConfig(frames=8, referring_maps=0, semantic_maps=0, boxes=0, captions=0, grounding=0, low_precision=False)


def vision() -> VisionEncoder:
    """A Vision Transformer of some hundred thousand weights, all random."""
    torch.manual_seed(5)
    return VisionEncoder(SPEC, image_size=IMAGE_SIZE)


def sequence_config() -> SequenceConfig:
    """The tiny world's, for the tiny image encoder's features."""
    grounding = replace(tiny_world.WHOLE, classes=171)
    return replace(tiny_world.sequence_config(grounding), vision_width=SPEC.width)


def data(root: Path) -> TrainingData:
    """The paper's mixture over small datasets."""
    phrasings = load_instruction_set("train")
    mixture = load_mixture(MIXTURE)
    return open_training_data(root, mixture, phrasings=phrasings, map_side=tiny_world.SIDE, max_targets=2, seed=3).data


def batcher(root: Path, *, encoder: VisionEncoder, trained: bool) -> SampleBatcher:
    """Batches of the mixture, with a random MiniLM."""
    of_frames = tiny_world.batcher(sequence_config()).encoders
    return SampleBatcher(
        data=data(root),
        encoders=FrozenEncoders(
            sequence=sequence_config(),
            instruction_encoder=of_frames.instruction_encoder,
            vqvae=of_frames.vqvae,
            tokenizer=of_frames.tokenizer,
        ),
        image_size=IMAGE_SIZE,
        read_images=as_pixels if trained else FrozenFeatures(encoder),
        labels="coco_stuff",
        readers=2,
    )


def tiny_trainer(
    root: Path,
    out: Path,
    *,
    trained: bool,
    execution: ExecutionConfig | None = None,
    processes: Processes | None = None,
) -> Trainer:
    """A trainer of the tiny model; in float32, so that sums in another order stay close."""
    encoder = vision()
    torch.manual_seed(1)
    model = SequenceModel(sequence_config())
    return Trainer(
        model=model,
        batches=batcher(root, encoder=encoder, trained=trained),
        config=TrainConfig(
            model="",
            mixture="paper.yaml",
            vision=VisionConfig(trained=trained, learning_rate=5e-4),
            steps=STEPS,
            batch=BATCH,
            optimiser=OPTIMISER,
            execution=execution or ExecutionConfig(precision="fp32"),
        ),
        out=out,
        evaluate=sum_of_weights,
        processes=processes,
        vision=encoder if trained else None,
    )


def run(scenario: dict[str, Any], processes: Processes) -> None:
    """One scenario."""
    out = Path(scenario["out"])
    trainer = tiny_trainer(
        Path(scenario["root"]),
        out,
        trained=scenario["trained"],
        execution=ExecutionConfig(**scenario["execution"]),
        processes=processes,
    )
    rows = [trainer.train_step() for _ in range(scenario["steps"])]
    trainer.save()
    write_losses(trainer, rows, processes)


if __name__ == "__main__":
    run_scenarios(run)
