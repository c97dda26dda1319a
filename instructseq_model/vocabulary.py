"""The unified vocabulary: which ids are special, text, positions and visual codes (paper, section 3.2.1).

Ids are laid out in that order. The model picks one of the three ranges at the first step; all later steps stay in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from instructseq_model.errors import ConfigError

BEGIN = 0
END = 1
PAD = 2
MASK = 3
SPECIAL_SIZE = 4


class OutputKind(str, Enum):
    """What a sequence of output tokens means."""

    TEXT = "text"
    BOXES = "boxes"
    MAP = "map"


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Sizes of the three ranges; everything else follows from them.

    Attributes:
        text_size: text tokens, those of the tokenizer; 0-based token t has id `text_range[t]`.
        visual_size: codes of the VQ-VAE; code c has id `visual_range[c]`.
        position_size: bins of a coordinate; bin b has id `position_range[b]`.
    """

    text_size: int
    visual_size: int
    position_size: int = 1000

    def __post_init__(self) -> None:
        """Refuse empty ranges."""
        for name in ("text_size", "visual_size", "position_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")

    @property
    def text_range(self) -> range:
        """Ids of text tokens."""
        return range(SPECIAL_SIZE, SPECIAL_SIZE + self.text_size)

    @property
    def position_range(self) -> range:
        """Ids of coordinate bins."""
        return range(self.text_range.stop, self.text_range.stop + self.position_size)

    @property
    def visual_range(self) -> range:
        """Ids of visual codes."""
        return range(self.position_range.stop, self.position_range.stop + self.visual_size)

    @property
    def size(self) -> int:
        """How many ids there are, special ones included."""
        return self.visual_range.stop

    def range_of(self, kind: OutputKind) -> range:
        """The ids that a sequence of this kind is made of; END, where it closes the sequence, is not among them."""
        ranges = {
            OutputKind.TEXT: self.text_range,
            OutputKind.BOXES: self.position_range,
            OutputKind.MAP: self.visual_range,
        }
        return ranges[kind]

    def kind_of(self, token: int) -> OutputKind | None:
        """The kind of sequence that an id belongs to; None for special ids.

        Raises:
            ValueError: no such id.
        """
        if not 0 <= token < self.size:
            raise ValueError(f"token {token} is outside the vocabulary of {self.size} ids")
        return next((kind for kind in OutputKind if token in self.range_of(kind)), None)

    def box_to_tokens(self, box: Sequence[float]) -> tuple[int, int, int, int]:
        """The four ids of a box.

        Args:
            box: x1, y1, x2, y2 as parts of the square's side; what is outside [0, 1] is clamped.

        Raises:
            ValueError: not four finite numbers.
        """
        if len(box) != 4 or not all(math.isfinite(value) for value in box):
            raise ValueError(f"a box is four finite numbers x1, y1, x2, y2, got {tuple(box)}")
        x1, y1, x2, y2 = (self._coordinate_to_token(value) for value in box)
        return x1, y1, x2, y2

    def tokens_to_box(self, tokens: Sequence[int]) -> tuple[float, float, float, float]:
        """The box that four ids mean, each coordinate the centre of its bin.

        Returns:
            x1, y1, x2, y2 in (0, 1), with x1 <= x2 and y1 <= y2 whichever way round the tokens had them.

        Raises:
            ValueError: not four position ids.
        """
        if len(tokens) != 4 or not all(token in self.position_range for token in tokens):
            raise ValueError(f"a box is four ids in {self.position_range}, got {tuple(tokens)}")
        x1, y1, x2, y2 = ((token - self.position_range.start + 0.5) / self.position_size for token in tokens)
        return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)

    def tokens_to_boxes(self, tokens: Sequence[int]) -> list[tuple[float, float, float, float]]:
        """The whole boxes among position ids, four each as `tokens_to_box` reads them; a rest of under four is left."""
        whole = len(tokens) // 4 * 4
        return [self.tokens_to_box(tokens[start : start + 4]) for start in range(0, whole, 4)]

    def _coordinate_to_token(self, value: float) -> int:
        clamped = min(max(float(value), 0.0), 1.0)
        return self.position_range[min(int(clamped * self.position_size), self.position_size - 1)]
