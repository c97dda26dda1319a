"""Comparing places with one another: the second step of grounding.

"The left mug", "the second from the right", "the largest", "the mug beside the laptop" say nothing about a place taken
alone. The refiner is a narrow transformer over the image's cells, one pass an instruction: each cell sees its own
logits, the image and the instruction, and attends to all other cells. It corrects the first logits, starting from no
correction.
"""

from __future__ import annotations

from torch import Tensor, nn

from instructseq_model.positions import grid_positions
from instructseq_model.tiles import into_tiles, out_of_tiles
from instructseq_model.transformer import Transformer, TransformerConfig

HEAD_WIDTH = 32
LOGIT_SCALE = 0.2
"""Logits of some 10 units beside states of about 1."""


class GroundingRefiner(nn.Module):
    """Corrects grounding logits by comparing cells; see the module's docstring.

    Args:
        layers: of its transformer.
        width: W of its states, a multiple of 32.
        channels: C, comparisons that come in.
        parts: S*S, subcells of a cell.
        block: B, cells a side of a block; divides `grid`.
        image_width: D of the image states.
        instruction_width: of the instruction's summary.
        grid: cells a side; P = grid * grid.
    """

    def __init__(
        self,
        *,
        layers: int,
        width: int,
        channels: int,
        parts: int,
        block: int,
        image_width: int,
        instruction_width: int,
        grid: int,
    ) -> None:
        super().__init__()
        self.block, self.blocks = block, grid // block
        self.seen = nn.Linear(channels * parts * block**2, width)
        self.image = nn.Linear(image_width, width)
        self.instruction = nn.Linear(instruction_width, width)
        self.positions = nn.Parameter(0.5 * grid_positions(self.blocks, width))
        self.transformer = Transformer(TransformerConfig(layers=layers, width=width, heads=width // HEAD_WIDTH))
        self.correction = nn.Linear(width, parts * block**2)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, similarity: Tensor, image_states: Tensor, instruction: Tensor) -> Tensor:
        """What is to be added to the first channel's logits.

        Args:
            similarity: R x C x P x S*S logits, R / I consecutive rows on each of I images.
            image_states: I x P x D, normed.
            instruction: R x (2 * D + Dt), summary of the instruction's states.

        Returns:
            R x P x S*S.
        """
        images = image_states.shape[0]
        scaled = LOGIT_SCALE * similarity.transpose(1, 2).flatten(2).to(self.seen.weight.dtype)  # R x P x C*S*S
        own = self.seen(self._in_blocks(scaled).flatten(2))  # R x P/BB x W
        own = own + self.instruction(instruction)[:, None] + self.positions
        shared = self.image(self._in_blocks(image_states).mean(2))[:, None]  # I x 1 x P/BB x W
        states, _ = self.transformer((own.unflatten(0, (images, -1)) + shared).flatten(0, 1))
        return self._in_cells(self.correction(states)).float()

    def _in_blocks(self, cells: Tensor) -> Tensor:
        """B x P x D, row-major cells, to B x P/BB x BB x D."""
        side = self.blocks * self.block
        return into_tiles(cells.unflatten(1, (side, side)), self.block)

    def _in_cells(self, blocks: Tensor) -> Tensor:
        """The inverse: B x P/BB x BB*D to B x P x D."""
        return out_of_tiles(blocks.unflatten(-1, (self.block**2, -1)), self.blocks).flatten(1, 2)
