"""Graphs of what reads images and instructions by itself: image encoder, instruction encoder, router."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from instructseq_model.export.graph import Graph, Input, Size
from instructseq_model.instruction import InstructionEncoder
from instructseq_model.model import InstructSeq


def instruction_length(model: InstructSeq) -> Size:
    """Tokens of an instruction: never fewer than its two special ones, and tracing needs 3."""
    return Size(name="instruction", least=2, usual=16, most=model.config.max_instruction_tokens)


def vision_graph(model: InstructSeq) -> Graph:
    """Pixels, 1 x 3 x S x S in [0, 1], to image features, 1 x P x Dv."""
    side = model.config.image_size
    return Graph(
        name="vision",
        module=model.vision,
        inputs=(Input(name="pixels", example=torch.rand(1, 3, side, side)),),
        outputs=("features",),
    )


def instruction_graph(model: InstructSeq) -> Graph:
    """Token ids, 1 x L, to frozen states, 1 x L x Dt. Tokens are made outside, with the `tokenizers` library."""
    return Graph(
        name="instruction",
        module=_InstructionStates(model.instruction),
        inputs=(Input(name="ids", example=torch.tensor([[1, 5, 6, 7, 2]]), varying={1: instruction_length(model)}),),
        outputs=("states",),
    )


def router_graph(model: InstructSeq) -> Graph:
    """Frozen states, 1 x L x Dt, to probabilities of tasks, 1 x 4, and of label sets, 1 x 3."""
    example = torch.randn(1, 5, model.config.sequence.instruction_width)
    return Graph(
        name="router",
        module=_Routes(model),
        inputs=(Input(name="states", example=example, varying={1: instruction_length(model)}),),
        outputs=("tasks", "label_sets"),
    )


class _InstructionStates(nn.Module):
    """One instruction at a time, so there is no padding and no mask."""

    def __init__(self, encoder: InstructionEncoder) -> None:
        super().__init__()
        self.model = encoder.model

    def forward(self, ids: Tensor) -> Tensor:
        states: Tensor = self.model(ids)
        return states.float()


class _Routes(nn.Module):
    def __init__(self, model: InstructSeq) -> None:
        super().__init__()
        self.router = model.router

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        lengths = torch.full((1,), states.shape[1], dtype=torch.long, device=states.device)
        tasks, label_sets = self.router(states.to(self.router.hidden.weight.dtype), lengths)
        return tasks.float().softmax(-1), label_sets.float().softmax(-1)
