"""Drafts: guesses of map tokens that are not decided yet, for exact parallel decoding (`parallel.py`) to check.

A draft decides how many tokens a pass of the decoder settles, never which. Guesses are choices (indices into the
kind's range), B x T; `UNKNOWN` where there is none.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instructseq_model.decoding.generate import Draw
from instructseq_model.decoding.prefix import Prefix
from instructseq_model.decoding.steps import Decoder
from instructseq_model.vocabulary import MASK, OutputKind

UNKNOWN = -1


class Drawing(NamedTuple):
    """Maps about to be drawn.

    Attributes:
        decoder: what draws them.
        prefix: R instructions.
        samples: N, maps an instruction.
        draw: draws tokens of all R * N maps.
        window: tokens the decoder is shown at a time.
    """

    decoder: Decoder
    prefix: Prefix
    samples: int
    draw: Draw
    window: int


class Drafter(Protocol):
    """Makes guesses."""

    def begin(self, drawing: Drawing) -> tuple[Tensor, int]:
        """First guesses, B x T, and how often the decoder was run for them."""
        ...

    def revise(self, guesses: Tensor, known: Tensor, new: int) -> Tensor:
        """Guesses for the next pass; none of the steps known[b] .. known[b] + new - 1 may stay unknown.

        Args:
            guesses: B x T; steps before known[b] are decided, those after may be the decoder's own predictions from a
                history that was partly wrong. May be changed.
            known: B, at least 1.
            new: steps that the next pass needs guesses for; fewer at the end of the map.
        """
        ...


class StaleDraft:
    """The decoder's own predictions of the last pass (Jacobi iteration), and by the copy rule where there is none."""

    def begin(self, drawing: Drawing) -> tuple[Tensor, int]:
        """No guesses yet."""
        length = drawing.decoder.config.output_length(OutputKind.MAP)
        rows = drawing.prefix.begin.shape[0] * drawing.samples
        return torch.full((rows, length), UNKNOWN, device=drawing.prefix.begin.device), 0

    def revise(self, guesses: Tensor, known: Tensor, new: int) -> Tensor:
        """Guess what is unknown."""
        return copy_rule(guesses, known, new)


class CopyDraft(StaleDraft):
    """The copy rule alone."""

    def revise(self, guesses: Tensor, known: Tensor, new: int) -> Tensor:
        """Guess all that is not decided."""
        steps = torch.arange(guesses.shape[1], device=guesses.device)
        return copy_rule(guesses.masked_fill_(steps >= known[:, None], UNKNOWN), known, new)


class OneShotDraft(StaleDraft):
    """The whole map at once, as the decoder predicts it without any history; then as `StaleDraft`.

    Maps are trained with hidden histories (`MASK` tokens), so that such predictions mean something.
    """

    def begin(self, drawing: Drawing) -> tuple[Tensor, int]:
        """Predict all tokens from hidden histories, for each instruction once."""
        decoder, instructions = drawing.decoder, drawing.prefix.begin.shape[0]
        length = decoder.config.output_length(OutputKind.MAP)
        device = drawing.prefix.begin.device
        steps = decoder.begin(drawing.prefix, OutputKind.MAP, samples=1, length=length - 1)
        width = min(drawing.window, length - 1)
        guesses = torch.full((instructions * drawing.samples, length), UNKNOWN, device=device)
        starts = list(range(0, length - 1, width)) if width else []
        for start in starts:
            start = min(start, length - 1 - width)
            hidden = torch.full((instructions, width), MASK, device=device)
            logits = steps.forward(hidden, torch.full((instructions,), start, device=device))  # R x K x C
            shared = logits.repeat_interleave(drawing.samples, 0)  # B x K x C
            at = torch.arange(start + 1, start + 1 + width, device=device).expand(len(shared), -1)
            guesses[:, start + 1 : start + 1 + width] = drawing.draw(shared, at)[0]
        return guesses, len(starts)


class PreviousDraft(StaleDraft):
    """The tokens of the previous frame of a stream, drawn with the same noise; then as `StaleDraft`.

    Args:
        choices: B x T choices.
    """

    def __init__(self, choices: Tensor) -> None:
        self._choices = choices

    def begin(self, drawing: Drawing) -> tuple[Tensor, int]:
        """The previous tokens, if they are of as many maps of this size; else nothing."""
        unknown, forwards = super().begin(drawing)
        if unknown.shape != self._choices.shape:
            return unknown, forwards
        return self._choices.to(unknown.device, copy=True), forwards


DRAFTS: dict[str, type[StaleDraft]] = {"stale": StaleDraft, "copy": CopyDraft, "one_shot": OneShotDraft}
"""Drafts of single frames by name."""


def copy_rule(guesses: Tensor, known: Tensor, new: int) -> Tensor:
    """Guess unknown tokens from their neighbours: the one above if the left one equals the one above left, else left.

    So edges that run along a row of the map, and vertical ones, go on.

    Args:
        guesses: B x T of a square map, row-major; on the CPU they are changed in place.
        known: B, at least 1.
        new: steps from known[b] on that are to be guessed.
    """
    values = guesses.cpu().numpy()
    length = values.shape[1]
    side = round(length**0.5)
    rows = np.arange(len(values))
    first = known.cpu().numpy()
    for ahead in range(new):
        at = np.minimum(first + ahead, length - 1)
        unknown = values[rows, at] == UNKNOWN
        if unknown.any():
            values[rows[unknown], at[unknown]] = _neighbour(values[unknown], at[unknown], side)
    return torch.from_numpy(values).to(guesses.device)


def _neighbour(values: NDArray[np.int64], at: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    """What the copy rule says of one step of each row: values B x T, at B."""
    rows = np.arange(len(values))
    left = values[rows, at - 1]
    above = values[rows, np.maximum(at - side, 0)]
    above_left = values[rows, np.maximum(at - side - 1, 0)]
    copies_above = (at >= side) & ((at % side == 0) | ((at > side) & (above_left == left)))
    return np.where(copies_above, above, left)
