"""Training a model from prepared frames: `run` is one command, resumable at any point."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console

from instructseq_model.errors import ConfigError, InstructSeqError
from instructseq_model.instruction import InstructionEncoder, build_instruction_encoder
from instructseq_model.model_config import ModelConfig, load_model_config
from instructseq_model.pretrained import pretrained_source
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.text import TextTokenizer
from instructseq_model.vision import build_vision_encoder
from instructseq_model.vqvae import VQVAE, load_vqvae
from instructseq_training.batches import Batcher
from instructseq_training.config import TrainConfig, load_train_config
from instructseq_training.free_running import Parts, evaluate_frames
from instructseq_training.grounding_start import start_grounding
from instructseq_training.instructions import load_instruction_set
from instructseq_training.parallel import Processes, join, leave
from instructseq_training.prepared import FRAMES, PreparedFrames, load_prepared, prepare
from instructseq_training.samples import sample_answers
from instructseq_training.states import newest_state
from instructseq_training.tokenizer import train_tokenizer
from instructseq_training.trainer import STATE, Trainer
from instructseq_training.warm_start import start_from, tokenizer_of_checkpoint

TOKENIZER = "tokenizer.json"
SAMPLE_FRAMES = 4
"""Frames of which TensorBoard gets answers."""


def run(config: Path, *, scenes: Path, vqvae: Path, out: Path, start: Path | None = None) -> None:
    """Train the sequence model of a configuration; under torchrun, every process calls this.

    Image features are computed once into `out/prepared`; later calls use them. A run that was stopped goes on where its
    last state was saved, on any number of processes.

    Args:
        config: a file of config/training.
        scenes: folder of scene shards, splits train and val.
        vqvae: folder of a trained VQ-VAE of the model's shape.
        out: folder of everything the run writes: prepared frames, tokenizer, log, state. All processes must see it.
        start: a checkpoint whose weights and tokenizer the run starts from; None starts from nothing.

    Raises:
        ConfigError: a file is missing or does not fit the others.
    """
    settings = load_train_config(config)
    model_config = load_model_config(config.parent / settings.model)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    processes = join(settings.execution.parallel)
    try:
        with processes.main_first():
            prepare_splits(scenes, out / "prepared", model_config, processes.device)
            train_frames, val_frames = (load_prepared(out / "prepared" / split) for split in ("train", "val"))
            if start is not None and not (out / TOKENIZER).is_file():
                tokenizer_of_checkpoint(start).save(out / TOKENIZER)
            tokenizer = tokenizer_of(train_frames, model_config, out / TOKENIZER)
        parts = frozen_parts(model_config, vqvae, tokenizer, processes.device)
        torch.manual_seed(settings.seed)
        model = SequenceModel(model_config.sequence).to(processes.device)
        fresh = newest_state(out / STATE) is None
        processes.wait()  # nobody writes a state before all have looked
        if fresh and processes.main and start is None:
            fit_start(model, settings, train_frames, parts)
        elif fresh and processes.main and start is not None:
            start_from(start, model, parts.vqvae)
        trainer = build_trainer(model, settings, parts, train_frames, val_frames, out, processes)
        if fresh:
            trainer.save()
        else:
            trainer.resume()
        if processes.main:
            began = "starting" if fresh else "resumed"
            Console().print(f"{began} at step {trainer.step}, {len(train_frames)} frames, {processes.world} processes")
        trainer.run()
    finally:
        leave()


def fit_start(model: SequenceModel, settings: TrainConfig, frames: PreparedFrames, parts: Parts) -> None:
    """Fit the grounding's start, if the model has a grounding and the recipe a start for it."""
    if model.grounding is None or not settings.grounding_start.steps:
        return
    start_grounding(
        model.grounding,
        frames=frames,
        phrasings=load_instruction_set(settings.phrasings),
        encoder=parts.instruction_encoder,
        config=settings.grounding_start,
        width=model.config.transformer.width,
        seed=settings.seed,
    )


def prepare_splits(scenes: Path, out: Path, config: ModelConfig, device: torch.device) -> None:
    """Compute image features of the splits that have none yet."""
    missing = [split for split in ("val", "heldout", "train") if not (out / split / FRAMES).is_file()]
    if not missing:
        return
    encoder = build_vision_encoder(
        config.vision_encoder, image_size=config.image_size, pretrained=pretrained_source(config.vision_encoder)
    )
    encoder = encoder.to(device, torch.bfloat16).eval().requires_grad_(False)
    for split in missing:
        shards = sorted(scenes.glob(f"{split}-*.tar"))
        if not shards:
            raise ConfigError(
                f"{scenes} holds no {split}-*.tar; render them: instructseq scenes {scenes} --split {split}"
            )
        prepare(shards, out / split, encoder=encoder, map_side=config.vqvae.resolution)


def tokenizer_of(frames: PreparedFrames, config: ModelConfig, file: Path) -> TextTokenizer:
    """The run's caption tokenizer, learned from its training captions the first time."""
    if not file.is_file():
        train_tokenizer((c for said in frames.said for c in said["captions"]), size=config.text_size).save(file)
    tokenizer = TextTokenizer.load(file)
    if tokenizer.size > config.text_size:
        raise ConfigError(f"{file} has {tokenizer.size} ids, the model only {config.text_size}; delete the file")
    return tokenizer


def frozen_parts(config: ModelConfig, vqvae: Path, tokenizer: TextTokenizer, device: torch.device) -> Parts:
    """The parts that training does not change, on the device."""
    encoder: InstructionEncoder = build_instruction_encoder(
        config.instruction_encoder, pretrained=pretrained_source(config.instruction_encoder)
    )
    autoencoder: VQVAE = load_vqvae(vqvae)
    if autoencoder.config != config.vqvae:
        raise ConfigError(
            f"the VQ-VAE in {vqvae} is {autoencoder.config}, the model wants {config.vqvae}; train it anew"
        )
    return Parts(
        instruction_encoder=encoder.to(device),
        vqvae=autoencoder.to(device).eval().requires_grad_(False),
        tokenizer=tokenizer,
    )


def build_trainer(
    model: SequenceModel,
    settings: TrainConfig,
    parts: Parts,
    train_frames: PreparedFrames,
    val_frames: PreparedFrames,
    out: Path,
    processes: Processes,
) -> Trainer:
    """Model, data and loop, put together."""
    batcher = Batcher(
        frames=train_frames,
        phrasings=load_instruction_set(settings.phrasings),
        sequence=model.config,
        instruction_encoder=parts.instruction_encoder,
        vqvae=parts.vqvae,
        tokenizer=parts.tokenizer,
        seed=settings.seed,
    )
    held_out = load_instruction_set("held_out")
    return Trainer(
        model=model,
        batches=batcher,
        config=settings,
        out=out,
        evaluate=lambda scored: evaluate_frames(scored, parts, val_frames, held_out, count=settings.evaluation_frames),
        sample=lambda shown: sample_answers(shown, parts, val_frames, held_out, count=SAMPLE_FRAMES),
        processes=processes,
    )


def main() -> None:
    """`torchrun --nproc-per-node N -m instructseq_training.train RECIPE --scenes DIR --vqvae DIR --out DIR`."""
    parser = argparse.ArgumentParser(prog="instructseq_training.train", description=main.__doc__)
    parser.add_argument("config", type=Path, help="a recipe: config/training/*.yaml")
    parser.add_argument(
        "--scenes", type=Path, required=True, help="folder of scene shards, splits train, val and heldout"
    )
    parser.add_argument("--vqvae", type=Path, required=True, help="folder of a trained VQ-VAE")
    parser.add_argument("--out", type=Path, default=Path("out/run"), help="folder that all processes see")
    parser.add_argument("--start", type=Path, default=None, help="a checkpoint to start from")
    given = parser.parse_args()
    try:
        run(given.config, scenes=given.scenes, vqvae=given.vqvae, out=given.out, start=given.start)
    except InstructSeqError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
