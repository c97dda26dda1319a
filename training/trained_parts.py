"""The parts of a model that a run trains, as one module: the sequence model, and the image encoder where it learns too.

Names of weights, in states and averages: those of the sequence model alone, if it is alone; else below `sequence.` and
`vision.`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from instructseq_model.sequence_model import SequenceConfig, SequenceModel
from instructseq_model.vision import VisionEncoder

SEQUENCE, VISION = "sequence.", "vision."


class TrainedParts(NamedTuple):
    """What a run trains.

    Attributes:
        sequence: the sequence model.
        vision: the image encoder; None where it stays as published.
    """

    sequence: SequenceModel
    vision: VisionEncoder | None = None

    def as_module(self) -> nn.Module:
        """One module of all weights that are trained."""
        if self.vision is None:
            return self.sequence
        return nn.ModuleDict({SEQUENCE[:-1]: self.sequence, VISION[:-1]: self.vision})


def split_weights(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor] | None]:
    """Weights of `TrainedParts.as_module` by part: the sequence model's, and the image encoder's, if any."""
    if not any(name.startswith(VISION) for name in weights):
        return dict(weights), None
    parts = [
        {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        for prefix in (SEQUENCE, VISION)
    ]
    return parts[0], parts[1]


def for_evaluation(config: SequenceConfig, weights: Mapping[str, Tensor], vision: VisionEncoder | None) -> TrainedParts:
    """Parts that use the given tensors as their weights, without a copy.

    Args:
        config: of the sequence model.
        weights: of `TrainedParts.as_module`, all of them.
        vision: an image encoder of the shape of the trained one; left as it is. None where none was trained.
    """
    of_sequence, of_vision = split_weights(weights)
    with torch.device("meta"):
        sequence = SequenceModel(config)
    sequence.load_state_dict(of_sequence, assign=True)
    encoder = None
    if vision is not None and of_vision is not None:
        encoder = VisionEncoder(vision.spec, image_size=vision.image_size)
        encoder.load_state_dict(of_vision, assign=True)
        encoder = encoder.to(next(iter(of_vision.values())).device)
    return TrainedParts(
        sequence.eval().requires_grad_(False), None if encoder is None else encoder.eval().requires_grad_(False)
    )
