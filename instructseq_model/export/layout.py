"""How the decoder graph's inputs are laid out; shared by what writes the graph and what runs it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from instructseq_model.sequence_model import SequenceConfig
from instructseq_model.vocabulary import OutputKind

MOST_ROWS = 32
"""Samples of one instruction that a graph decodes together."""


@dataclass(frozen=True)
class Layout:
    """Rows of the decoder's two tables for an output step of a kind.

    `places` holds positions of maps, then of boxes, then of text; `conditioning` holds a map's cells, a box's four
    coordinates, and zeros.
    """

    config: SequenceConfig

    def place(self, kind: OutputKind, step: Tensor) -> Tensor:
        """Rows of `places` for output steps, any shape, int64."""
        start = {
            OutputKind.MAP: 0,
            OutputKind.BOXES: self.config.output_length(OutputKind.MAP),
            OutputKind.TEXT: self.config.output_length(OutputKind.MAP) + self.config.output_length(OutputKind.BOXES),
        }
        return step.clamp(0, self.config.output_length(kind) - 1) + start[kind]

    def added(self, kind: OutputKind, step: Tensor) -> Tensor:
        """Rows of `conditioning` for output steps, any shape, int64."""
        cells = self.config.output_length(OutputKind.MAP)
        if kind is OutputKind.MAP:
            return step.clamp(0, cells - 1)
        if kind is OutputKind.BOXES:
            return cells + step % 4
        return torch.full_like(step, cells + 4)


def longest_output(config: SequenceConfig) -> int:
    """Tokens of the longest output of any kind."""
    return max(config.output_length(kind) for kind in OutputKind)


def cache_names(layers: int) -> list[tuple[str, str]]:
    """Names of each layer's keys and values as inputs; outputs have `new_` before them."""
    return [(f"keys_{layer}", f"values_{layer}") for layer in range(layers)]
