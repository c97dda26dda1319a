"""Grounding: where in the image the instruction points, as a map that conditions the output tokens.

An addition to the paper's plain form (`SequenceConfig.grounding`; None gives the plain form). Image tokens and the
instruction meet in the transformer's prefix; here a bilinear form between the image's cells, each split into finer
subcells, and the instruction's state gives a logit for "belongs to what was said". Output tokens see the logits of the
cell they are about to paint, and boxes see the map's profile along both axes. Trained directly on masks, it learns to
point long before a token sequence would; docs/design.md has the ablation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instructseq_model.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class GroundingConfig:
    """Shape of the grounding.

    Attributes:
        subcells: each image cell is split into subcells x subcells.
        key_width: width of the space in which cells and instruction are compared.
    """

    subcells: int = 4
    key_width: int = 64

    def __post_init__(self) -> None:
        if self.subcells < 1 or self.key_width < 1:
            raise ConfigError(f"grounding needs subcells >= 1 and key_width >= 1, got {self}")


class Conditioning(NamedTuple):
    """What the grounding adds to the embeddings of output tokens.

    Attributes:
        logits: R x P x S*S, of "this subcell belongs to what the instruction refers to".
        cells: R x P x D, for the map token that paints the cell.
        box: R x D, for coordinate tokens.
    """

    logits: Tensor
    cells: Tensor
    box: Tensor


class Grounding(nn.Module):
    """Compares image cells with the instruction; see the module's docstring.

    Args:
        config: its shape.
        width: the transformer's width D.
        vision_width: width of the image encoder's features.
        instruction_width: width of the instruction encoder's states.
        grid: image cells a side; P = grid * grid.
    """

    def __init__(
        self, config: GroundingConfig, *, width: int, vision_width: int, instruction_width: int, grid: int
    ) -> None:
        super().__init__()
        self.config, self.grid = config, grid
        parts = config.subcells**2
        self.key = nn.Linear(width + vision_width, parts * config.key_width)
        self.query = nn.Linear(2 * width + instruction_width, config.key_width)
        self.log_scale = nn.Parameter(torch.tensor(2.5))
        self.bias = nn.Parameter(torch.tensor(-4.0))
        self.heat = nn.Linear(2 * parts, width)
        self.look = nn.Linear(width, width)
        self.profile = nn.Linear(2 * grid * config.subcells, width)
        self.place = nn.Linear(width, width)

    def keys(self, states: Tensor, features: Tensor) -> Tensor:
        """Unit vectors of the subcells: I x P x S*S x K, from normed states I x P x D and raw features."""
        keys = self.key(torch.cat([states, features.to(states.dtype)], -1))
        return F.normalize(keys.unflatten(-1, (self.config.subcells**2, self.config.key_width)).float(), dim=-1)

    def forward(self, keys: Tensor, image_states: Tensor, instruction: Tensor) -> Conditioning:
        """Ground R instructions, R / I consecutive ones on each of I images.

        Args:
            keys: I x P x S*S x K, as `keys` gives them.
            image_states: I x P x D, the transformer's normed states of the image.
            instruction: R x (2 * D + Dt), summary of the instruction's states.
        """
        images, cells, parts, _ = keys.shape
        query = F.normalize(self.query(instruction).float(), dim=-1)  # R x K
        grouped = query.view(images, -1, query.shape[-1])  # I x R/I x K
        similarity = torch.einsum("ipsk,irk->irps", keys, grouped).reshape(-1, cells, parts)
        logits = similarity * self.log_scale.exp() + self.bias  # R x P x S*S
        share = query.shape[0] // images
        states = image_states.repeat_interleave(share, 0)  # R x P x D
        return Conditioning(logits, self._cells(logits, states), self._box(logits, states))

    def _cells(self, logits: Tensor, states: Tensor) -> Tensor:
        return self.heat(torch.cat([logits.sigmoid(), 0.2 * logits], -1)) + self.look(states)

    def _box(self, logits: Tensor, states: Tensor) -> Tensor:
        heat = self.heat_map(logits).sigmoid()  # R x GS x GS
        profile = torch.cat([heat.amax(1), heat.amax(2)], -1)  # R x 2GS: along x, along y
        weights = logits.sigmoid().mean(-1)  # R x P
        weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-4)
        return self.profile(profile) + self.place((weights[:, None] @ states.float())[:, 0])

    def heat_map(self, logits: Tensor) -> Tensor:
        """R x P x S*S laid out as an image, R x GS x GS (row-major cells, row-major subcells)."""
        side, parts = self.grid, self.config.subcells
        tiles = logits.view(-1, side, side, parts, parts).permute(0, 1, 3, 2, 4)
        return tiles.reshape(-1, side * parts, side * parts)
