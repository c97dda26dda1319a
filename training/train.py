"""Training a model: `run` is one command, resumable at any point."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from rich.console import Console

from instructseq_model.errors import ConfigError, InstructSeqError
from instructseq_model.instruction import InstructionEncoder, build_instruction_encoder
from instructseq_model.model_config import ModelConfig, load_model_config
from instructseq_model.pretrained import pretrained_source
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.text import TextTokenizer
from instructseq_model.vqvae import VQVAE, load_vqvae
from instructseq_training.config import TrainConfig, load_train_config
from instructseq_training.datasets.mixture import load_mixture
from instructseq_training.frozen_encoders import FrozenEncoders
from instructseq_training.material import Material
from instructseq_training.mixture_material import MixtureMaterial, open_encoder, require_datasets
from instructseq_training.parallel import Processes, join, leave
from instructseq_training.rendered_material import RenderedMaterial
from instructseq_training.states import newest_state
from instructseq_training.tokenizer import train_tokenizer
from instructseq_training.trainer import STATE, Trainer
from instructseq_training.warm_start import start_from, tokenizer_of_checkpoint
from instructseq_training.whitening_fit import fit_whitening

TOKENIZER = "tokenizer.json"


def run(
    config: Path,
    *,
    vqvae: Path,
    out: Path,
    scenes: Sequence[Path] = (),
    data: Path | None = None,
    start: Path | None = None,
) -> None:
    """Train the model of a configuration; under torchrun, every process calls this.

    A recipe with a mixture learns from `data`, pictures decoded and encoded as they come. Any other learns from
    `scenes`, whose image features are computed once into `out/prepared`; later calls use them. A run that was stopped
    goes on where its last state was saved, on any number of processes.

    Args:
        config: a file of config/training.
        vqvae: folder of a trained VQ-VAE of the model's shape.
        out: folder of everything the run writes: prepared frames, tokenizer, log, state. All processes must see it.
        scenes: folders of scene shards; splits train, val and heldout are in one of them at least.
        data: folder of the mixture's datasets, or of their shards.
        start: a checkpoint whose weights and tokenizer the run starts from; None starts from nothing.

    Raises:
        ConfigError: a file is missing or does not fit the others.
        DatasetError: datasets of the mixture are missing or damaged.
    """
    settings = load_train_config(config)
    model_config = load_model_config(config.parent / settings.model)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    processes = join(settings.execution.parallel)
    try:
        with processes.main_first():
            out.mkdir(parents=True, exist_ok=True)
            material = open_material(config, settings, model_config, processes, scenes=scenes, data=data, out=out)
            if start is not None and not (out / TOKENIZER).is_file():
                tokenizer_of_checkpoint(start).save(out / TOKENIZER)
            tokenizer = tokenizer_of(material.captions(), model_config, out / TOKENIZER)
        encoders = frozen_encoders(model_config, vqvae, tokenizer, processes.device)
        torch.manual_seed(settings.seed)
        model = SequenceModel(model_config.sequence).to(processes.device)
        fresh = newest_state(out / STATE) is None
        processes.wait()  # nobody writes a state before all have looked
        if fresh and processes.main:
            if model.config.whitened:
                fit_whitening(model, material.batches(encoders), settings.batch, vision=material.vision)
            came_along = start is not None and start_from(
                start,
                model,
                encoders.vqvae,
                comparison=settings.grounding_start.comparison != "afresh",
                vision=material.vision,
            )
            if settings.grounding_start.due(came_along=came_along):
                material.fit_start(model, encoders)
        trainer = build_trainer(model, settings, encoders, material, out, processes)
        if fresh:
            trainer.save()
        else:
            trainer.resume()
        if processes.main:
            began = "starting" if fresh else "resumed"
            Console().print(*material.messages, sep="\n", markup=False, highlight=False, soft_wrap=True)
            Console().print(f"{began} at step {trainer.step}, {processes.world} processes")
        trainer.run()
    finally:
        leave()


def open_material(
    config: Path,
    settings: TrainConfig,
    model_config: ModelConfig,
    processes: Processes,
    *,
    scenes: Sequence[Path],
    data: Path | None,
    out: Path,
) -> Material:
    """What the recipe learns from.

    Raises:
        ConfigError: its folder is not given.
        DatasetError: datasets are missing or damaged.
    """
    if settings.mixture is not None:
        if data is None:
            raise ConfigError(f"{config} trains on a mixture of datasets; say where they are: --data ROOT")
        mixture = load_mixture(config.parent / settings.mixture)
        require_datasets(data, mixture)
        encoder = open_encoder(model_config, settings, processes.device)
        return MixtureMaterial(data, mixture, config=model_config, settings=settings, encoder=encoder)
    if not scenes:
        raise ConfigError(
            f"{config} trains on rendered scenes; say where they are: --scenes DIR (made by instructseq scenes), or "
            "name a mixture of datasets in the recipe"
        )
    return RenderedMaterial.open(
        scenes, out / "prepared", config=model_config, settings=settings, device=processes.device
    )


def tokenizer_of(captions: Iterable[str], config: ModelConfig, file: Path) -> TextTokenizer:
    """The run's caption tokenizer, learned from its training captions the first time."""
    if not file.is_file():
        train_tokenizer(captions, size=config.text_size).save(file)
    tokenizer = TextTokenizer.load(file)
    if tokenizer.size > config.text_size:
        raise ConfigError(f"{file} has {tokenizer.size} ids, the model only {config.text_size}; delete the file")
    return tokenizer


def frozen_encoders(config: ModelConfig, vqvae: Path, tokenizer: TextTokenizer, device: torch.device) -> FrozenEncoders:
    """The encoders of words and answers, on the device."""
    encoder: InstructionEncoder = build_instruction_encoder(
        config.instruction_encoder, pretrained=pretrained_source(config.instruction_encoder)
    )
    autoencoder: VQVAE = load_vqvae(vqvae)
    if autoencoder.config != config.vqvae:
        raise ConfigError(
            f"the VQ-VAE in {vqvae} is {autoencoder.config}, the model wants {config.vqvae}; train it anew"
        )
    return FrozenEncoders(
        sequence=config.sequence,
        instruction_encoder=encoder.to(device),
        vqvae=autoencoder.to(device).eval().requires_grad_(False),
        tokenizer=tokenizer,
    )


def build_trainer(
    model: SequenceModel,
    settings: TrainConfig,
    encoders: FrozenEncoders,
    material: Material,
    out: Path,
    processes: Processes,
) -> Trainer:
    """Model, data and loop, put together."""
    return Trainer(
        model=model,
        batches=material.batches(encoders),
        config=settings,
        out=out,
        evaluate=lambda trained: material.evaluate(trained, encoders),
        sample=lambda trained: material.sample(trained, encoders),
        processes=processes,
        vision=material.vision,
    )


def main() -> None:
    """`torchrun --nproc-per-node N -m instructseq_training.train RECIPE --data ROOT --vqvae DIR --out DIR`."""
    parser = argparse.ArgumentParser(prog="instructseq_training.train", description=main.__doc__)
    parser.add_argument("config", type=Path, help="a recipe: config/training/*.yaml")
    parser.add_argument(
        "--scenes", type=Path, action="append", default=[], help="folder of scene shards; may be given again"
    )
    parser.add_argument("--data", type=Path, default=None, help="folder of the datasets, for recipes with a mixture")
    parser.add_argument("--vqvae", type=Path, required=True, help="folder of a trained VQ-VAE")
    parser.add_argument("--out", type=Path, default=Path("out/run"), help="folder that all processes see")
    parser.add_argument("--start", type=Path, default=None, help="a checkpoint to start from")
    given = parser.parse_args()
    try:
        run(
            given.config,
            vqvae=given.vqvae,
            out=given.out,
            scenes=given.scenes,
            data=given.data,
            start=given.start,
        )
    except InstructSeqError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
