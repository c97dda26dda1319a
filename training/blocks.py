"""What is done to the transformer's blocks before training: activation checkpointing and compilation."""

from __future__ import annotations

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from instructseq_model.transformer import Block
from instructseq_model.vision import VisionEncoder
from instructseq_training.config import ExecutionConfig


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """The blocks of all transformers in a model, those of an image encoder too; they hold most of its weights."""
    own: list[nn.Module] = [part for part in model.modules() if isinstance(part, Block)]
    encoders = [part for part in model.modules() if isinstance(part, VisionEncoder)]
    return own + [block for encoder in encoders for block in encoder.network.blocks]


def prepare_blocks(model: nn.Module, execution: ExecutionConfig) -> None:
    """Checkpoint or compile every block of a model, in place; names and values of its weights stay as they are.

    An image encoder's blocks are checkpointed only.
    """
    for block in blocks_of(model):
        if execution.checkpointing == "blocks":
            kept = partial(checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False)
            block.forward = kept  # type: ignore[method-assign]
        if execution.compile == "blocks" and isinstance(block, Block):
            block.compile()
