"""What a map's tokens are shown of the tokens before them.

Neighbouring tokens of a map are mostly equal, so a model that is always shown the true history learns to repeat it: it
scores well and, left alone, paints nothing or smears one mistake over the image. Some rows therefore have part of
their history hidden, and some are shown what the model itself would have drawn (scheduled sampling, Bengio et al.
2015, in two parallel passes: Mihaylova and Martins 2019). The tokens to be predicted are always the true ones.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from instructseq_model.vocabulary import MASK


class MapHistory(NamedTuple):
    """How the histories of R maps of T tokens are changed.

    Attributes:
        hidden: R x (T - 1), bool: tokens shown as MASK.
        drawn: R x 1, bool: maps whose whole history is shown as the model draws it where the hidden is hidden.
        chance: R x (T - 1), in [0, 1): decides which tokens are drawn.
    """

    hidden: Tensor
    drawn: Tensor
    chance: Tensor

    def rows(self, chosen: slice | Tensor) -> MapHistory:
        """Some maps: a range, or their numbers."""
        return MapHistory(self.hidden[chosen], self.drawn[chosen], self.chance[chosen])

    def to(self, device: torch.device) -> MapHistory:
        """On another device."""
        return MapHistory(self.hidden.to(device), self.drawn.to(device), self.chance.to(device))


def draw_history(rows: int, length: int, *, hide: float, draw: float, generator: torch.Generator) -> MapHistory:
    """Decide by chance what is changed.

    Args:
        rows: R maps.
        length: T - 1 tokens of history each.
        hide: share of the rows that have anything hidden, in [0, 1]; of each, a share of its own, evenly from 0 to 1.
        draw: share of the rows that are drawn, in [0, 1].
        generator: the source of chance.
    """
    share = torch.rand(rows, 1, generator=generator)
    touched = torch.rand(rows, 1, generator=generator) < hide
    hidden = (torch.rand(rows, length, generator=generator) < share) & touched
    drawn = torch.rand(rows, 1, generator=generator) < draw
    return MapHistory(hidden, drawn, torch.rand(rows, length, generator=generator))


def hide(inputs: Tensor, history: MapHistory) -> Tensor:
    """Inputs with what is to be hidden hidden: R x T, BEGIN and T - 1 tokens."""
    return torch.cat([inputs[:, :1], torch.where(history.hidden, MASK, inputs[:, 1:])], 1)


def replace_drawn(inputs: Tensor, history: MapHistory, logits: Tensor, ids: range) -> Tensor:
    """Inputs with what is to be drawn drawn.

    Args:
        inputs: R x T, BEGIN and T - 1 tokens.
        history: what is to be changed.
        logits: R x T x len(ids), the model's for each place given the inputs before it.
        ids: the tokens of maps.
    """
    cumulative = logits[:, :-1].float().softmax(-1).cumsum(-1)  # R x (T - 1) x C
    sought = history.chance[..., None] * cumulative[..., -1:]
    tokens = ids.start + torch.searchsorted(cumulative, sought)[..., 0].clamp(max=len(ids) - 1)
    return torch.cat([inputs[:, :1], torch.where(history.drawn, tokens, inputs[:, 1:])], 1)
