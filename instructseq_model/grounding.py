"""Grounding: where in the image the instruction points, as a map that conditions the output tokens.

An addition to the paper's plain form (`SequenceConfig.grounding`; None gives the plain form). Image tokens and the
instruction meet in the transformer's prefix; here a bilinear form between the image's cells, each split into finer
subcells, and the instruction's state gives a logit for "belongs to what was said". Output tokens see the logits of the
cell they are about to paint, and boxes see the map's profile along both axes. Trained directly on masks, it learns to
point long before a token sequence would; docs/design.md says what was seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instructseq_model.errors import ConfigError
from instructseq_model.positions import place_codes


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


CORNER_GAIN = 1.0
"""How strongly a coordinate token sees where the heat map puts its coordinate, beside embeddings of about 0.1."""


class Conditioning(NamedTuple):
    """What the grounding adds to the embeddings of output tokens.

    Attributes:
        begin: R x D, for BEGIN, where the kind is still open: what the first cell and a box would get.
        box: R x 4 x D, for the tokens of x1, y1, x2, y2.
        cells: R x P x D, for the map token that paints the cell; None where no map is to be painted.
    """

    begin: Tensor
    box: Tensor
    cells: Tensor | None

    def rows(self, chosen: slice) -> Conditioning:
        """Some rows, as views."""
        return Conditioning(self.begin[chosen], self.box[chosen], None if self.cells is None else self.cells[chosen])

    def repeated(self, count: int) -> Conditioning:
        """Every row `count` times in a row."""
        cells = None if self.cells is None else self.cells.repeat_interleave(count, 0)
        return Conditioning(self.begin.repeat_interleave(count, 0), self.box.repeat_interleave(count, 0), cells)


@torch.no_grad()
def peak_region(heat: Tensor) -> Tensor:
    """The connected region around each map's peak; weaker spots elsewhere are left out.

    Args:
        heat: R x S x S logits of "belongs to the object".

    Returns:
        R x S x S, 1 inside and 0 outside: what hangs together with the highest point, above 0, or above one less than
        the peak where that is lower.
    """
    highest = heat.amax((1, 2), keepdim=True)  # R x 1 x 1
    above = (heat > (highest - 1).clamp(max=0)).float()
    region = (heat == highest).float() * above
    for _ in range(heat.shape[1] // 2):  # grows by one point on all sides
        region = F.max_pool2d(region[:, None], 3, stride=1, padding=1)[:, 0] * above
    return region


def corners(region: Tensor) -> Tensor:
    """The box around each region: R x S x S of 0 and 1 to R x 4, x1, y1, x2, y2 as parts of the side."""
    side = region.shape[1]
    columns, rows = region.amax(1), region.amax(2)  # each R x S
    first = [held.argmax(1) for held in (columns, rows)]
    last = [side - held.flip(1).argmax(1) for held in (columns, rows)]
    return torch.stack([*first, *last], -1).float() / side


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

    def forward(self, keys: Tensor, instruction: Tensor) -> Tensor:
        """Ground R instructions, R / I consecutive ones on each of I images.

        Args:
            keys: I x P x S*S x K, as `keys` gives them.
            instruction: R x (2 * D + Dt), summary of the instruction's states.

        Returns:
            R x P x S*S logits of "this subcell belongs to what the instruction refers to".
        """
        images, cells, parts, _ = keys.shape
        query = F.normalize(self.query(instruction).float(), dim=-1)  # R x K
        grouped = query.view(images, -1, query.shape[-1])  # I x R/I x K
        similarity = torch.einsum("ipsk,irk->irps", keys, grouped).reshape(-1, cells, parts)
        return similarity * self.log_scale.exp() + self.bias

    def condition(self, logits: Tensor, image_states: Tensor, *, paint: bool) -> Conditioning:
        """What output tokens get.

        Args:
            logits: R x P x S*S, of R / I consecutive instructions on each image.
            image_states: I x P x D, the transformer's normed states of the image.
            paint: whether the cells are wanted.
        """
        share = logits.shape[0] // image_states.shape[0]
        looked = self.look(image_states)  # I x P x D
        region = peak_region(self.heat_map(logits).float())  # R x GS x GS
        box = self._box(logits, region, image_states)
        inside = self._tiles(region)  # R x P x S*S
        first = self._heat(logits[:, 0], inside[:, 0]) + looked[:, 0].repeat_interleave(share, 0)
        cells = self._heat(logits, inside) + looked.repeat_interleave(share, 0) if paint else None
        return Conditioning(first + box[:, 0], box, cells)

    def _heat(self, logits: Tensor, inside: Tensor) -> Tensor:
        return self.heat(torch.cat([logits.sigmoid() * inside, 0.2 * logits], -1).to(self.heat.weight.dtype))

    def _box(self, logits: Tensor, region: Tensor, image_states: Tensor) -> Tensor:
        heat = self.heat_map(logits).sigmoid()  # R x GS x GS
        profile = torch.cat([heat.amax(1), heat.amax(2)], -1)  # R x 2GS: along x, along y
        weights = logits.sigmoid().mean(-1)  # R x P
        weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-4)
        grouped = weights.view(image_states.shape[0], -1, weights.shape[-1])  # I x R/I x P
        middle = (grouped @ image_states.float()).flatten(0, 1)  # R x D
        precision = self.place.weight.dtype
        seen = self.profile(profile.to(precision)) + self.place(middle.to(precision))
        codes = place_codes(corners(region), seen.shape[-1])  # R x 4 x D
        return seen[:, None] + CORNER_GAIN * codes.to(seen.dtype)

    def _tiles(self, image: Tensor) -> Tensor:
        """The inverse of `heat_map`: R x GS x GS to R x P x S*S."""
        side, parts = self.grid, self.config.subcells
        return image.view(-1, side, parts, side, parts).transpose(2, 3).reshape(-1, side * side, parts * parts)

    def heat_map(self, logits: Tensor) -> Tensor:
        """R x P x S*S laid out as an image, R x GS x GS (row-major cells, row-major subcells)."""
        side, parts = self.grid, self.config.subcells
        tiles = logits.view(-1, side, side, parts, parts).permute(0, 1, 3, 2, 4)
        return tiles.reshape(-1, side * parts, side * parts)
