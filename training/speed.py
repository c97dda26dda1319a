"""How fast a recipe trains on this machine, without its data: a few steps on made-up frames and random weights.

    python -m instructseq_training.speed RECIPE --steps 5
    torchrun --nproc-per-node 8 -m instructseq_training.speed RECIPE --steps 20

Speed does not depend on what pictures show, so made-up ones do.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from rich.console import Console

from instructseq_model.errors import InstructSeqError
from instructseq_model.instruction import build_instruction_encoder
from instructseq_model.model_config import ModelConfig, load_model_config
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vision import VisionEncoder, build_vision_encoder
from instructseq_model.vqvae import VQVAE
from instructseq_training.batch import Batches
from instructseq_training.config import TrainConfig, batch_of, load_train_config
from instructseq_training.datasets.mixture import Mixture, load_mixture
from instructseq_training.frozen_encoders import FrozenEncoders
from instructseq_training.hardware import peak_flops
from instructseq_training.instructions import load_instruction_set
from instructseq_training.made_up_samples import CAPTIONS, MadeUpSamples
from instructseq_training.parallel import Processes, join, leave
from instructseq_training.prepared import PreparedFrames
from instructseq_training.progress import Meter
from instructseq_training.rendered_material import RenderedMaterial
from instructseq_training.sample_batches import FrozenFeatures, SampleBatcher, as_pixels
from instructseq_training.tokenizer import train_tokenizer
from instructseq_training.trainer import Trainer

NAMES = ("mug", "bowl", "laptop", "book", "plate", "lamp")


def measure(
    settings: TrainConfig,
    model_config: ModelConfig,
    *,
    steps: int,
    processes: Processes,
    mixture: Mixture | None = None,
) -> dict[str, float]:
    """Means over some steps, after one that warms up: what `Meter.mean` gives, and the device's peak FLOP/s.

    Args:
        settings: batch and execution.
        model_config: the model; all weights are random.
        steps: how many are measured.
        processes: that train together.
        mixture: what `settings.mixture` names; None for rendered scenes.
    """
    torch.manual_seed(settings.seed)
    encoder = build_instruction_encoder(model_config.instruction_encoder, pretrained=None)
    encoders = FrozenEncoders(
        sequence=model_config.sequence,
        instruction_encoder=encoder.to(processes.device),
        vqvae=VQVAE(model_config.vqvae).to(processes.device).eval().requires_grad_(False),
        tokenizer=train_tokenizer(CAPTIONS, size=model_config.text_size),
    )
    batches: Batches
    vision = None
    if mixture is None:
        frames = made_up_frames(model_config, count=max(2, settings.batch.frames))
        batches = RenderedMaterial(frames, frames, settings).batches(encoders)
    else:
        image_encoder = build_vision_encoder(
            model_config.vision_encoder, image_size=model_config.image_size, pretrained=None
        ).to(processes.device)
        vision = image_encoder if settings.vision.trained else None
        batches = made_up_batches(settings, model_config, mixture, encoders, image_encoder)
    peak = peak_flops(processes.device)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=SequenceModel(model_config.sequence).to(processes.device),
            batches=batches,
            vision=vision,
            config=replace(settings, first_batch=None, steps=steps + 1),
            out=Path(folder),
            evaluate=lambda trained: {},
            processes=processes,
        )
        trainer.train_step()
        meter = Meter(peak=peak * processes.world)
        for _ in range(steps):
            meter.add(trainer.train_step())
        trainer.source.close()
    return meter.mean() | {"peak": peak}


def made_up_batches(
    settings: TrainConfig,
    config: ModelConfig,
    mixture: Mixture,
    encoders: FrozenEncoders,
    image_encoder: VisionEncoder,
) -> SampleBatcher:
    """Batches of made-up samples of a mixture, with the image encoder frozen or trained as the recipe says."""
    phrasings = load_instruction_set(settings.phrasings)
    return SampleBatcher(
        data=MadeUpSamples(mixture=mixture, phrasings=phrasings, map_side=config.vqvae.resolution),
        encoders=encoders,
        image_size=config.image_size,
        read_images=as_pixels if settings.vision.trained else FrozenFeatures(image_encoder),
        labels=config.label_sets[0],
        readers=settings.execution.readers,
    )


def made_up_frames(config: ModelConfig, *, count: int) -> PreparedFrames:
    """Frames of random features, with six squares in each that have names and places."""
    sequence, side = config.sequence, config.vqvae.resolution
    third = side // 3
    instances = np.zeros((count, side, side), np.uint8)
    objects: list[dict[str, Any]] = []
    for index, name in enumerate(NAMES, 1):
        y, x = ((index - 1) // 3) * third, ((index - 1) % 3) * third
        instances[:, y : y + third // 2, x : x + third // 2] = index
        objects.append({"index": index, "name": name, "box": [x, y, x + third // 2, y + third // 2]})
    expressions = [{"text": f"the {name}", "kind": "name", "targets": [n]} for n, name in enumerate(NAMES, 1)]
    said = {
        "width": side,
        "height": side,
        "objects": objects,
        "expressions": expressions,
        "captions": [f"a table with a {', a '.join(NAMES)} on it"],
    }
    shape = (count, sequence.vision_grid**2, sequence.vision_width)
    features = np.random.default_rng(0).standard_normal(shape, dtype=np.float32).astype(np.float16)
    return PreparedFrames(features=features, instances=instances, classes=instances, said=[said] * count)


def main() -> None:
    """Measure the speed of a recipe on made-up frames."""
    parser = argparse.ArgumentParser(prog="instructseq_training.speed", description=main.__doc__)
    parser.add_argument("config", type=Path, help="a recipe: config/training/*.yaml")
    parser.add_argument("--steps", type=int, default=5, help="how many steps are measured")
    parser.add_argument("--batch", default="", help="another batch, as YAML: '{frames: 1}'")
    given = parser.parse_args()
    try:
        settings = load_train_config(given.config)
        if given.batch:
            settings = replace(settings, batch=batch_of(yaml.safe_load(given.batch), settings.mixture, "--batch"))
        if settings.threads:
            torch.set_num_threads(settings.threads)
        model_config = load_model_config(given.config.parent / settings.model)
        processes = join(settings.execution.parallel)
        mixture = None if settings.mixture is None else load_mixture(given.config.parent / settings.mixture)
        found = measure(settings, model_config, steps=given.steps, processes=processes, mixture=mixture)
        leave()
    except InstructSeqError as error:
        raise SystemExit(str(error)) from None
    if processes.main:
        rows = ("samples_per_second", "mfu", "waiting", "seconds", "instructions", "peak")
        Console().print({name: found[name] for name in rows})


if __name__ == "__main__":
    main()
