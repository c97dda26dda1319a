"""Training a model from prepared frames: `run` is one command, resumable at any point."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console

from instructseq_model.errors import ConfigError
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
from instructseq_training.prepared import FRAMES, PreparedFrames, load_prepared, prepare
from instructseq_training.tokenizer import train_tokenizer
from instructseq_training.trainer import Trainer

TOKENIZER = "tokenizer.json"


def run(config: Path, *, scenes: Path, vqvae: Path, out: Path) -> None:
    """Train the sequence model of a configuration.

    Image features are computed once into `out/prepared`; later calls use them. A run that was stopped goes on where its
    last state was saved.

    Args:
        config: a file of config/training.
        scenes: folder of scene shards, splits train and val.
        vqvae: folder of a trained VQ-VAE of the model's shape.
        out: folder of everything the run writes: prepared frames, tokenizer, log, state.

    Raises:
        ConfigError: a file is missing or does not fit the others.
    """
    settings = load_train_config(config)
    model_config = load_model_config(config.parent / settings.model)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    prepare_splits(scenes, out / "prepared", model_config, device)
    train_frames, val_frames = (load_prepared(out / "prepared" / split) for split in ("train", "val"))
    parts = frozen_parts(model_config, vqvae, tokenizer_of(train_frames, model_config, out / TOKENIZER), device)
    trainer = build_trainer(settings, model_config, parts, train_frames, val_frames, out, device)
    resumed = trainer.resume()
    if not resumed and trainer.model.grounding is not None and settings.grounding_start.steps:
        start_grounding(
            trainer.model.grounding,
            frames=train_frames,
            phrasings=load_instruction_set(settings.phrasings),
            encoder=parts.instruction_encoder,
            config=settings.grounding_start,
            width=model_config.transformer.width,
            seed=settings.seed,
        )
        trainer.save()
    Console().print(f"{'resumed at' if resumed else 'starting at'} step {trainer.step}, {len(train_frames)} frames")
    trainer.run()


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
    settings: TrainConfig,
    model_config: ModelConfig,
    parts: Parts,
    train_frames: PreparedFrames,
    val_frames: PreparedFrames,
    out: Path,
    device: torch.device,
) -> Trainer:
    """Model, data and loop, put together."""
    torch.manual_seed(settings.seed)
    model = SequenceModel(model_config.sequence).to(device)
    batcher = Batcher(
        frames=train_frames,
        phrasings=load_instruction_set(settings.phrasings),
        sequence=model_config.sequence,
        instruction_encoder=parts.instruction_encoder,
        vqvae=parts.vqvae,
        tokenizer=parts.tokenizer,
        seed=settings.seed,
    )
    held_out = load_instruction_set("held_out")
    return Trainer(
        model=model,
        batcher=batcher,
        config=settings,
        out=out,
        evaluate=lambda scored: evaluate_frames(scored, parts, val_frames, held_out, count=settings.evaluation_frames),
        device=device,
    )
