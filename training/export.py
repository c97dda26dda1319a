"""From a training run to a checkpoint folder that a robot can load."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console
from safetensors.torch import load_file

from instructseq_model.checkpoint import add_code_meanings, save_checkpoint
from instructseq_model.errors import ConfigError
from instructseq_model.instruction import build_instruction_encoder
from instructseq_model.model_config import load_model_config
from instructseq_model.pretrained import pretrained_source
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.text import TextTokenizer
from instructseq_model.vqvae import load_vqvae
from instructseq_training.config import load_train_config
from instructseq_training.router_training import ROUTER_EPOCHS, score_router, train_router
from instructseq_training.states import TENSORS, below, newest_state
from instructseq_training.train import TOKENIZER
from instructseq_training.trained_parts import split_weights
from instructseq_training.trainer import STATE


def export(config: Path, *, run: Path, vqvae: Path, out: Path, router_epochs: int = ROUTER_EPOCHS) -> None:
    """Write the averaged weights of a run as a checkpoint, a trained image encoder's too; its router is trained anew.

    Args:
        config: the run's training YAML.
        run: folder of the run.
        vqvae: folder of the VQ-VAE it was trained with; its decoder may be newer, its codes may not.
        out: the checkpoint folder.
        router_epochs: passes over the router's instructions.

    Raises:
        ConfigError: the run has no saved state.
    """
    model_config = load_model_config(config.parent / load_train_config(config).model)
    state = newest_state(run / STATE)
    if state is None:
        raise ConfigError(f"{run} holds no saved state; train first: instructseq train {config}")
    sequence, vision = split_weights(below(load_file(state / TENSORS), "average."))
    SequenceModel(model_config.sequence).load_state_dict(sequence)
    encoder = build_instruction_encoder(
        model_config.instruction_encoder, pretrained=pretrained_source(model_config.instruction_encoder)
    )
    router = train_router(encoder, epochs=router_epochs)
    scores = score_router(router, encoder)
    Console().print(
        f"router on held-out phrasings: task {scores.task_accuracy:.3f}, label set {scores.label_set_accuracy}, "
        f"both {scores.accuracy:.3f} of {scores.count}"
    )
    save_checkpoint(
        out,
        model_config,
        sequence=sequence,
        vqvae=load_vqvae(vqvae).state_dict(),
        router=router.state_dict(),
        tokenizer=TextTokenizer.load(run / TOKENIZER),
        vision=vision,
    )
    add_code_meanings(out, device=torch.device("cuda" if torch.cuda.is_available() else "cpu"))
