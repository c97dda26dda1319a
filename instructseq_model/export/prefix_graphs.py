"""Graphs of what is computed once a frame, and once an instruction on it. The grounding is inside both."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from instructseq_model.decoding.prefix import decoding_prefix
from instructseq_model.export.encoder_graphs import instruction_length
from instructseq_model.export.graph import Graph, Input
from instructseq_model.grounding import ImageGrounding
from instructseq_model.model import InstructSeq
from instructseq_model.sequence_model import ImagePrefix, SequenceModel
from instructseq_model.transformer import KeyValues


def image_prefix_graph(model: InstructSeq) -> Graph:
    """Image features to what the transformer and the grounding hold of the image."""
    shape = model.config.sequence
    return Graph(
        name="image_prefix",
        module=_ImagePrefix(model.sequence),
        inputs=(
            Input(name="features", example=torch.randn(1, shape.vision_grid**2, shape.vision_width).to(model.dtype)),
        ),
        outputs=image_prefix_names(model.sequence),
    )


def image_prefix_names(model: SequenceModel) -> tuple[str, ...]:
    """Outputs of the image's graph and inputs of the instruction's: states, past, and what the grounding holds."""
    names = ["image_states", "image_past"]
    if model.grounding is not None:
        names += ["image_keys", *(["image_classes"] if model.grounding.class_heat is not None else [])]
    return tuple(names)


def instruction_prefix_graph(model: InstructSeq) -> Graph:
    """An image and an instruction's frozen states, 1 x L x Dt, to what decoding begins with.

    Outputs: `past`, layers x 2 x 1 x H x (P + L + 1) x d, keys and values of image, instruction and BEGIN; `begin`,
    1 x D, the state at BEGIN; with grounding `conditioning`, 1 x (P + 5) x D: what is added for each cell of a map, for
    x1, y1, x2, y2, and nothing (zeros) for text; and `pointed`, 1 x S x S, its logits.
    """
    shape = model.config.sequence
    with torch.no_grad():
        features = torch.randn(1, shape.vision_grid**2, shape.vision_width).to(model.dtype)
        image = _ImagePrefix(model.sequence)(features)
    held = [Input(name=n, example=e) for n, e in zip(image_prefix_names(model.sequence), image, strict=True)]
    states = Input(
        name="states",
        example=torch.randn(1, 5, shape.instruction_width),
        varying={1: instruction_length(model)},
    )
    outputs = ("past", "begin", *(("conditioning", "pointed") if model.sequence.grounding is not None else ()))
    return Graph(name="instruction_prefix", module=_InstructionPrefix(model), inputs=(states, *held), outputs=outputs)


def stacked(past: list[KeyValues]) -> Tensor:
    """Keys and values of all layers as one tensor: layers x 2 x B x H x P x d."""
    return torch.stack([torch.stack(list(layer)) for layer in past])


def unstacked(past: Tensor) -> list[KeyValues]:
    """The inverse of `stacked`, as views."""
    return [KeyValues(past[layer, 0], past[layer, 1]) for layer in range(past.shape[0])]


class _ImagePrefix(nn.Module):
    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        image = self.model.encode_image(features)
        grounding = () if image.grounding is None else (one for one in image.grounding if one is not None)
        return image.states, stacked(image.past), *grounding


class _InstructionPrefix(nn.Module):
    def __init__(self, model: InstructSeq) -> None:
        super().__init__()
        self.model = model.sequence

    def forward(
        self, states: Tensor, image_states: Tensor, image_past: Tensor, *grounding: Tensor
    ) -> tuple[Tensor, ...]:
        held = None if not grounding else ImageGrounding(grounding[0], grounding[1] if len(grounding) > 1 else None)
        image = ImagePrefix(image_states, unstacked(image_past), held)
        lengths = torch.full((1,), states.shape[1], dtype=torch.long, device=states.device)
        read = self.model.encode_instruction(image, states.to(image_states.dtype), lengths)
        prefix = decoding_prefix(self.model, image, read)
        if prefix.conditioning is None:
            return stacked(prefix.past), prefix.begin
        added = prefix.conditioning
        assert added.cells is not None
        assert prefix.pointed is not None
        rows = torch.cat([added.cells, added.box, torch.zeros_like(added.box[:, :1])], 1)  # 1 x (P + 5) x D
        return stacked(prefix.past), prefix.begin, rows.to(prefix.begin.dtype), prefix.pointed.to(prefix.begin.dtype)
