"""How many floating point operations a step of training takes, from the model's shape alone.

Matrix products only, two operations a multiply-add, as is usual for the share of a device's peak that is used (MFU).
Attention is counted over whole score matrices. Encoders count only where they are trained.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from instructseq_model.sequence_model import SequenceConfig
from instructseq_model.vision import VisionEncoder
from instructseq_model.vocabulary import OutputKind
from instructseq_training.batch import Batch
from instructseq_training.config import BatchConfig

BACKWARD = 2
"""The backward pass has two products for each one of the forward pass."""


@dataclass(frozen=True, kw_only=True)
class BatchShape:
    """What decides a batch's cost.

    Attributes:
        images: I.
        instructions: R.
        instruction_length: L, tokens of the longest.
        outputs: by kind, sequences and tokens of the longest.
    """

    images: int
    instructions: int
    instruction_length: int
    outputs: Mapping[OutputKind, tuple[int, int]]

    def tokens(self, config: SequenceConfig) -> int:
        """Tokens that go through the transformer."""
        outputs = sum(rows * length for rows, length in self.outputs.values())
        return self.images * config.vision_grid**2 + self.instructions * self.instruction_length + outputs


def batch_shape(batch: Batch) -> BatchShape:
    """The shape of a batch."""
    rows, length = batch.states.shape[:2]
    outputs = {kind: (held.tokens.shape[0], held.tokens.shape[1]) for kind, held in batch.outputs.items()}
    return BatchShape(images=len(batch.images), instructions=rows, instruction_length=length, outputs=outputs)


def largest_shape(config: SequenceConfig, batch: BatchConfig, *, frames: int | None = None) -> BatchShape:
    """The shape of a step's batch at most: instructions, texts and boxes of the greatest length.

    Args:
        config: the model.
        batch: what a step holds.
        frames: another number of frames than the batch's.
    """
    images = batch.frames if frames is None else frames
    counts = {OutputKind.MAP: batch.maps, OutputKind.BOXES: batch.boxes, OutputKind.TEXT: batch.captions}
    return BatchShape(
        images=images,
        instructions=images * batch.instructions,
        instruction_length=config.max_instruction_tokens,
        outputs={kind: (images * count, config.output_length(kind)) for kind, count in counts.items() if count},
    )


def mixture_shape(config: SequenceConfig, shares: Mapping[OutputKind, float], *, frames: int) -> BatchShape:
    """The shape of so many frames of a mixture, one instruction each: texts and boxes of the greatest length.

    Args:
        config: the model.
        shares: of the kinds of answers, summing to 1.
        frames: how many.
    """
    return BatchShape(
        images=frames,
        instructions=frames,
        instruction_length=config.max_instruction_tokens,
        outputs={kind: (round(frames * share), config.output_length(kind)) for kind, share in shares.items() if share},
    )


def encoder_flops(encoder: VisionEncoder, *, images: int) -> float:
    """Operations of an image encoder's forward pass, every layer taken to attend to the whole image."""
    width, cells = encoder.network.embed_dim, encoder.grid**2
    blocks = len(encoder.network.blocks)
    embedding = linear(images * cells, 3 * encoder.spec.patch**2, width)
    return embedding + transformer(blocks, width, tokens=images * cells, seen=cells)


def training_flops(config: SequenceConfig, shape: BatchShape) -> float:
    """Operations of forward and backward pass; what is run again to save memory does not count."""
    return (1 + BACKWARD) * forward_flops(config, shape)


def forward_flops(config: SequenceConfig, shape: BatchShape) -> float:
    """Operations of the forward pass."""
    width, cells = config.transformer.width, config.vision_grid**2
    images, rows, length = shape.images, shape.instructions, shape.instruction_length
    layers = config.transformer.layers
    total = linear(images * cells, config.vision_width, width) + linear(rows * length, config.instruction_width, width)
    total += transformer(layers, width, tokens=images * cells, seen=cells)
    total += transformer(layers, width, tokens=rows * length, seen=cells + length)
    for sequences, steps in shape.outputs.values():
        total += transformer(layers, width, tokens=sequences * steps, seen=cells + length + steps)
        total += linear(sequences * steps, width, config.vocabulary.size)
    if config.grounding is not None:
        total += grounding_flops(config, shape)
    return total


def grounding_flops(config: SequenceConfig, shape: BatchShape) -> float:
    """The grounding's part of the forward pass."""
    grounding = config.grounding
    assert grounding is not None
    width, grid, images, rows = config.transformer.width, config.vision_grid, shape.images, shape.instructions
    cells, parts, both = grid**2, grounding.subcells**2, width + config.vision_width
    summary = 2 * width + config.instruction_width
    total = 0.0
    for tokens, inputs, outputs in (
        (images * cells, both, parts * grounding.key_width),
        (rows, summary, grounding.channels * grounding.key_width),
    ):
        steps = [inputs, *([grounding.hidden] if grounding.hidden else []), outputs]
        total += sum(linear(tokens, first, second) for first, second in itertools.pairwise(steps))
    total += linear(rows * grounding.channels, grounding.key_width, cells * parts)
    if grounding.refiner_layers:
        inner, block = grounding.refiner_width, grounding.refiner_block**2
        blocks = cells // block
        total += linear(rows * blocks, grounding.channels * parts * block, inner) + linear(
            images * blocks, width, inner
        )
        total += linear(rows, summary, inner) + linear(rows * blocks, inner, parts * block)
        total += transformer(grounding.refiner_layers, inner, tokens=rows * blocks, seen=blocks)
    if grounding.classes:
        total += linear(images * cells, both, parts * grounding.classes) + linear(rows, summary, 1)
    for kind, (sequences, _) in shape.outputs.items():
        total += linear(images * cells, width, width)  # what is looked at
        total += linear(sequences, 2 * parts, width) + linear(sequences, 2 * grid * grounding.subcells, width)
        total += linear(sequences, cells, width) + linear(sequences, width, width)
        if kind is OutputKind.MAP:
            total += linear(sequences * cells, 2 * parts, width)
            total += linear(images * cells, parts * grounding.classes, width)
    return total


def transformer(layers: int, width: int, *, tokens: int, seen: int) -> float:
    """Blocks over so many tokens, each attending to so many positions."""
    products = 12 * width**2  # queries, keys and values 3, output 1, perceptron 8
    return 2.0 * layers * tokens * (products + 2 * seen * width)


def linear(rows: int, inputs: int, outputs: int) -> float:
    """A matrix product."""
    return 2.0 * rows * inputs * outputs
