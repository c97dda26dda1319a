"""What a step of training works on, and the protocol of whatever draws it: prepared frames, samples of a mixture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from instructseq_model.vocabulary import OutputKind
from instructseq_training.config import BatchConfig
from instructseq_training.examples import Example


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Targets of one kind.

    Attributes:
        rows: which instructions of the batch they answer, R' long.
        tokens: R' x T, PAD after END.
    """

    rows: Tensor
    tokens: Tensor


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One step's work, or a part of it: I frames, R instructions, R / I consecutive ones a frame.

    Attributes:
        images: I x P x Dv, features of the frozen image encoder; I x 3 x S x S, pixels, uint8, where it is trained.
        states: R x L x Dt, the frozen instruction states.
        lengths: R.
        outputs: by kind, the answers to be generated. Instructions beyond these train the grounding alone.
        map_numbers: R', of each map its number among all those of the step, from 0 to below `Batches.most_maps`.
        heat: R x GS x GS in [0, 1], where the instruction refers to; GS the grounding's side.
        refers: R, bool, True where `heat` means something.
        classes: I x GS x GS, class ids of the frames' places.
        examples: R, as drawn.
    """

    images: Tensor
    states: Tensor
    lengths: Tensor
    outputs: dict[OutputKind, Outputs]
    map_numbers: Tensor
    heat: Tensor
    refers: Tensor
    classes: Tensor
    examples: list[Example]

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        outputs = {
            kind: Outputs(rows=held.rows.to(device), tokens=held.tokens.to(device))
            for kind, held in self.outputs.items()
        }
        names = ("images", "states", "lengths", "map_numbers", "heat", "refers", "classes")
        moved = {name: getattr(self, name).to(device) for name in names}
        return Batch(outputs=outputs, examples=self.examples, **moved)


class Batches(Protocol):
    """Gives the batch of any step. What it holds depends on the step and its configuration alone."""

    def parts(self, step: int, config: BatchConfig, places: Sequence[range]) -> list[Batch]:
        """Parts of a step's batch; together they hold the same however the step is divided.

        Args:
            step: which one.
            config: how many of what the whole step holds.
            places: of each part, which of the step's frames it holds.
        """

    def most_maps(self, config: BatchConfig) -> int:
        """How many maps the whole step holds at most."""
