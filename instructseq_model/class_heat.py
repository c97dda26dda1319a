"""Which class each place of the image is: the grounding of maps of all classes.

A map of all classes is asked for without naming any place, so the instruction's heat says nothing there. This is a
reading of the image's states and features, trained directly on class maps; it conditions the map tokens of
instructions that ask for all classes, and of no others.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from instructseq_model.cell_reading import reading


class ClassHeat(nn.Module):
    """Tells the classes of subcells apart; see the module's docstring.

    Args:
        classes: C of them.
        parts: S*S, subcells of an image cell.
        width: the transformer's width D.
        vision_width: Dv, width of the image encoder's features.
        instruction_width: of the instruction's summary.
        hidden: width of the layer between; 0 for a linear reading.
    """

    def __init__(
        self, *, classes: int, parts: int, width: int, vision_width: int, instruction_width: int, hidden: int
    ) -> None:
        super().__init__()
        self.classes, self.parts = classes, parts
        # Frozen features alone at first, as the comparison.
        self.read = reading(width + vision_width, parts * classes, hidden=hidden, unseen=width)
        self.asked = nn.Linear(instruction_width, 1)
        self.paint = nn.Linear(parts * classes, width)

    def logits(self, states: Tensor, features: Tensor) -> Tensor:
        """Class logits, I x P x S*S x C, from normed states I x P x D and features I x P x Dv."""
        read: Tensor = self.read(torch.cat([states, features.to(states.dtype)], -1))
        return read.unflatten(-1, (self.parts, self.classes)).float()

    def wanted(self, instruction: Tensor) -> Tensor:
        """How far R instructions ask for all classes, R values in (0, 1), from their summaries."""
        return self.asked(instruction).float().sigmoid()[:, 0]

    def condition(self, logits: Tensor, wanted: Tensor) -> Tensor:
        """What map tokens get: R x P x D.

        Args:
            logits: I x P x S*S x C.
            wanted: R; R / I consecutive instructions on each image.
        """
        painted = self.paint(logits.softmax(-1).flatten(2).to(self.paint.weight.dtype))  # I x P x D
        shared = painted.repeat_interleave(len(wanted) // len(painted), 0)
        return shared * wanted[:, None, None].to(shared.dtype)
