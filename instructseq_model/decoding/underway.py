"""A look at sequences while they are decoded: what is drawn of them so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Underway:
    """B sequences under way, ordered as the finished ones will be.

    Attributes:
        tokens: B x T vocabulary ids; PAD where nothing is known, and after END.
        probabilities: B x T, of decided tokens as in `Generated`; 1 elsewhere.
        decided: B, int64: so many tokens from the first on are drawn for good; those after them are guesses.
    """

    tokens: Tensor
    probabilities: Tensor
    decided: Tensor


Look = Callable[[], Underway]
"""Copies what is drawn; to be called at once, or not at all."""

Observe = Callable[[Look], None]
"""Handed a look after each pass of the decoder that was not the last; looking is what costs."""
