"""How much memory a model needs, computed from its shape alone: weights, caches, activations, by precision."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from instructseq_model.model_config import ModelConfig
from instructseq_model.vocabulary import OutputKind
from instructseq_model.weight_formats import INT4_GROUP


@dataclass(frozen=True, kw_only=True)
class NumberSizes:
    """Bytes of a number in one precision.

    Attributes:
        matrix: of the transformer's matrices, with their scales and offsets.
        other: of all other weights, caches and activations.
    """

    matrix: float
    other: int


SIZES = {
    "fp32": NumberSizes(matrix=4, other=4),
    "bf16": NumberSizes(matrix=2, other=2),
    "fp16": NumberSizes(matrix=2, other=2),
    "int8": NumberSizes(matrix=1, other=2),
    # Half a byte, and a scale and an offset of two bytes each for every group.
    "int4": NumberSizes(matrix=0.5 + 4 / INT4_GROUP, other=2),
}
"""By precision."""


@dataclass(frozen=True, kw_only=True)
class MemoryBudget:
    """Bytes that a model takes in one precision.

    Attributes:
        precision: of weights, caches and activations.
        weights: of all parts.
        prefix: keys and values of one image with its longest instruction, shared by all samples.
        caches: keys and values of the samples' own tokens.
        activations: the largest set of tensors alive at one time, an upper estimate.
    """

    precision: str
    weights: int
    prefix: int
    caches: int
    activations: int

    @property
    def total(self) -> int:
        """All of it; the runtime's own memory (CUDA some 0.5 GB) comes on top."""
        return self.weights + self.prefix + self.caches + self.activations


def memory_budgets(config: ModelConfig, *, samples: int) -> list[MemoryBudget]:
    """The budget in every precision, for so many samples."""
    parameters, matrices = count_parameters(config), count_matrices(config)
    shape, sequence = config.transformer, config.sequence
    tokens = sequence.vision_grid**2 + config.max_instruction_tokens + 1
    longest = max(sequence.output_length(kind) for kind in OutputKind)
    a_token = 2 * shape.layers * shape.width
    largest = max(_vision(config), _step(config, samples), _painting(config, samples))
    return [
        MemoryBudget(
            precision=precision,
            weights=round(size.matrix * matrices + size.other * (parameters - matrices)),
            prefix=size.other * a_token * tokens,
            caches=size.other * a_token * longest * samples,
            activations=size.other * largest,
        )
        for precision, size in SIZES.items()
    ]


def count_parameters(config: ModelConfig) -> int:
    """Numbers in all weights, frozen encoders included, without allocating any."""
    from instructseq_model.model import build_random

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build_random(config).parameters())


def count_matrices(config: ModelConfig) -> int:
    """Numbers in the transformer's matrices: queries, keys, values, output and the two of the perceptron."""
    return 12 * config.transformer.layers * config.transformer.width**2


def _vision(config: ModelConfig) -> int:
    """Numbers alive in one block of the image encoder: states, the MLP's hidden layer, queries, keys and values."""
    from instructseq_model.vision import VISION_SPECS

    return config.sequence.vision_grid**2 * VISION_SPECS[config.vision_encoder].width * (2 + 4 + 3)


def _step(config: ModelConfig, samples: int) -> int:
    """The same of one decoder step, with the scores of attention and the largest head."""
    shape, sequence = config.transformer, config.sequence
    seen = sequence.vision_grid**2 + config.max_instruction_tokens + 1 + sequence.output_length(OutputKind.MAP)
    head = max(len(sequence.vocabulary.range_of(kind)) + 1 for kind in OutputKind)
    return samples * (shape.width * (2 + 4 + 3) + shape.heads * seen + head)


def _painting(config: ModelConfig, samples: int) -> int:
    """A residual block of the VQ decoder at full resolution: input, normed, output."""
    vqvae = config.vqvae
    return samples * (vqvae.resolution // vqvae.patch) ** 2 * vqvae.channels * 3
