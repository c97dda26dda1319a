"""Grounding: where in the image the instruction points, as a map that conditions the output tokens.

An addition to the paper's plain form (`SequenceConfig.grounding`; None gives the plain form). The image's cells, each
split into finer subcells, and the instruction's state are read into one space; the angle between them there gives a
logit for "belongs to what was said". That sees each place alone; the refiner (`grounding_refiner.py`) then compares
places with one another. Output tokens see the logits of the cell they are about to paint, and boxes see the map's
profile along both axes. Trained directly on masks, it learns to point long before a token sequence would;
docs/design.md says what was seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instructseq_model.cell_reading import reading
from instructseq_model.class_heat import ClassHeat
from instructseq_model.errors import ConfigError
from instructseq_model.grounding_refiner import HEAD_WIDTH, GroundingRefiner
from instructseq_model.positions import place_codes
from instructseq_model.tiles import into_tiles, out_of_tiles


@dataclass(frozen=True, kw_only=True)
class GroundingConfig:
    """Shape of the grounding.

    Attributes:
        subcells: each image cell is split into subcells x subcells.
        key_width: width of the space in which cells and instruction are compared.
        hidden: width of the layer that cells and instruction each pass before; 0 compares linear readings of them.
        channels: comparisons an instruction makes. The first is for what is referred to; the others are the refiner's,
            for what a relation names.
        refiner_layers: of the refiner; 0 leaves it out.
        refiner_width: of its states.
        refiner_block: it compares blocks of so many cells a side.
        classes: how many classes each subcell is told apart into, for maps of all classes; 0 leaves that out.
        class_hidden: width of the layer that cells pass before they are told apart; 0 reads them linearly.
    """

    subcells: int = 4
    key_width: int = 64
    hidden: int = 0
    channels: int = 1
    refiner_layers: int = 0
    refiner_width: int = 128
    refiner_block: int = 1
    classes: int = 0
    class_hidden: int = 0

    def __post_init__(self) -> None:
        if min(self.subcells, self.key_width, self.channels, self.refiner_block) < 1:
            raise ConfigError(
                f"grounding needs subcells, key_width, channels and refiner_block of at least 1, got {self}"
            )
        if min(self.refiner_layers, self.classes, self.hidden, self.class_hidden) < 0:
            raise ConfigError(
                f"grounding needs refiner_layers, classes, hidden and class_hidden of at least 0, got {self}"
            )
        if self.refiner_width < 1 or self.refiner_width % HEAD_WIDTH:
            raise ConfigError(f"grounding needs a refiner_width that is a multiple of {HEAD_WIDTH}, got {self}")


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

    def rows(self, chosen: slice | Tensor) -> Conditioning:
        """Some rows."""
        return Conditioning(self.begin[chosen], self.box[chosen], None if self.cells is None else self.cells[chosen])


def stack_conditioning(parts: Sequence[Conditioning]) -> Conditioning:
    """One after the other; all of them with cells, or none."""
    cells = [part.cells for part in parts if part.cells is not None]
    return Conditioning(
        torch.cat([part.begin for part in parts]),
        torch.cat([part.box for part in parts]),
        torch.cat(cells) if cells else None,
    )


class ImageGrounding(NamedTuple):
    """What the grounding holds of I images.

    Attributes:
        keys: I x P x S*S x K, layer-normed vectors of the subcells.
        classes: I x P x S*S x C logits; None where no classes are told apart.
    """

    keys: Tensor
    classes: Tensor | None

    def rows(self, chosen: slice | Tensor) -> ImageGrounding:
        """Some images: as views of a slice, or in the order chosen."""
        return ImageGrounding(self.keys[chosen], None if self.classes is None else self.classes[chosen])


class Pointing(NamedTuple):
    """Where R instructions point.

    Attributes:
        heat: R x P x S*S logits of "this subcell belongs to what the instruction refers to".
        wants_classes: R in (0, 1), how far each asks for all classes instead; None where no classes are told apart.
    """

    heat: Tensor
    wants_classes: Tensor | None

    def rows(self, chosen: Tensor) -> Pointing:
        """Some rows, in the order chosen."""
        return Pointing(self.heat[chosen], None if self.wants_classes is None else self.wants_classes[chosen])


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
    above = heat > (highest - 1).clamp(max=0)
    region = (heat == highest) & above
    for _ in range(heat.shape[1] // 2):
        region = _grown(_grown(region, 1), 2) & above
    return region.float()


def _grown(region: Tensor, dimension: int) -> Tensor:
    """Larger by one point on both sides along a dimension."""
    length = region.shape[dimension] - 1
    grown = region.clone()
    grown.narrow(dimension, 1, length).logical_or_(region.narrow(dimension, 0, length))
    grown.narrow(dimension, 0, length).logical_or_(region.narrow(dimension, 1, length))
    return grown


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
        summary_width = 2 * width + instruction_width
        # Frozen features alone at first: what is fitted on them holds when the transformer's states join in.
        self.key = reading(width + vision_width, parts * config.key_width, hidden=config.hidden, unseen=width)
        self.query = reading(summary_width, config.channels * config.key_width, hidden=config.hidden, unseen=2 * width)
        self.log_scale = nn.Parameter(torch.tensor(2.5))
        self.bias = nn.Parameter(torch.tensor(-4.0))
        self.heat = nn.Linear(2 * parts, width)
        self.look = nn.Linear(width, width)
        self.profile = nn.Linear(2 * grid * config.subcells, width)
        self.place = nn.Linear(width, width)
        self.refiner = None
        if config.refiner_layers:
            if grid % config.refiner_block:
                raise ConfigError(f"refiner_block is {config.refiner_block}; it must divide the image's {grid} cells")
            self.refiner = GroundingRefiner(
                layers=config.refiner_layers,
                width=config.refiner_width,
                channels=config.channels,
                parts=parts,
                block=config.refiner_block,
                image_width=width,
                instruction_width=summary_width,
                grid=grid,
            )
        self.class_heat = None
        if config.classes:
            self.class_heat = ClassHeat(
                classes=config.classes,
                parts=parts,
                width=width,
                vision_width=vision_width,
                instruction_width=summary_width,
                hidden=config.class_hidden,
            )

    def read_image(self, states: Tensor, features: Tensor) -> ImageGrounding:
        """What is computed once an image, from normed states I x P x D and features I x P x Dv."""
        classes = None if self.class_heat is None else self.class_heat.logits(states, features)
        return ImageGrounding(self.keys(states, features), classes)

    def keys(self, states: Tensor, features: Tensor) -> Tensor:
        """Normed vectors of the subcells: I x P x S*S x K, from normed states I x P x D and features."""
        keys: Tensor = self.key(torch.cat([states, features.to(states.dtype)], -1))
        keys = keys.unflatten(-1, (self.config.subcells**2, self.config.key_width))
        return F.layer_norm(keys, keys.shape[-1:])

    def forward(self, image: ImageGrounding, image_states: Tensor, instruction: Tensor) -> Pointing:
        """Ground R instructions, R / I consecutive ones on each of I images.

        Args:
            image: what `read_image` gives.
            image_states: I x P x D, the transformer's normed states of the image.
            instruction: R x (2 * D + Dt), summary of the instruction's states.
        """
        similarity = self.similarity(image.keys, instruction)
        heat = similarity[:, 0]
        if self.refiner is not None:
            heat = heat + self.refiner(similarity, image_states, instruction)
        return Pointing(heat, None if self.class_heat is None else self.class_heat.wanted(instruction))

    def similarity(self, keys: Tensor, instruction: Tensor) -> Tensor:
        """Each place compared with the instruction, by itself.

        Args:
            keys: I x P x S*S x K.
            instruction: R x (2 * D + Dt).

        Returns:
            R x C x P x S*S logits, C the channels.
        """
        images, cells, parts, width = keys.shape
        query = self.query(instruction).float().unflatten(-1, (self.config.channels, width))  # R x C x K
        grouped = F.normalize(query, dim=-1).reshape(images, -1, width)  # I x C*R/I x K
        similarity = torch.einsum("ipsk,irk->irps", keys, grouped.to(keys.dtype)).float() / math.sqrt(width)
        return similarity.reshape(-1, self.config.channels, cells, parts) * self.log_scale.exp() + self.bias

    def condition(
        self, pointing: Pointing, image: ImageGrounding, image_states: Tensor, *, paint: bool
    ) -> Conditioning:
        """What output tokens get.

        Args:
            pointing: of R / I consecutive instructions on each image.
            image: what `read_image` gave.
            image_states: I x P x D, the transformer's normed states of the image.
            paint: whether the cells are wanted.
        """
        logits = pointing.heat
        share = logits.shape[0] // image_states.shape[0]
        looked = self.look(image_states)  # I x P x D
        region = peak_region(self.heat_map(logits).float())  # R x GS x GS
        box = self._box(logits, region, image_states)
        inside = self.tiles(region)  # R x P x S*S
        first = self._heat(logits[:, 0], inside[:, 0]) + looked[:, 0].repeat_interleave(share, 0)
        if not paint:
            return Conditioning(first + box[:, 0], box, None)
        cells = self._heat(logits, inside) + looked.repeat_interleave(share, 0)
        if self.class_heat is not None and image.classes is not None and pointing.wants_classes is not None:
            cells = cells + self.class_heat.condition(image.classes, pointing.wants_classes)
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

    def tiles(self, image: Tensor) -> Tensor:
        """The inverse of `heat_map`: R x GS x GS to R x P x S*S."""
        return into_tiles(image[..., None], self.config.subcells)[..., 0]

    def heat_map(self, logits: Tensor) -> Tensor:
        """R x P x S*S laid out as an image, R x GS x GS (row-major cells, row-major subcells)."""
        return out_of_tiles(logits[..., None], self.grid)[..., 0]
