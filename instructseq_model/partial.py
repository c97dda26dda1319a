"""Answers under way: what a perception would be if decoding ended now, and how much of it is drawn for good."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instructseq_model.decoding.beam import Beam
from instructseq_model.decoding.generate import Generated
from instructseq_model.decoding.underway import Underway
from instructseq_model.geometry import map_to_source
from instructseq_model.perception import Perception
from instructseq_model.reading import Request, read_answer
from instructseq_model.runnable_model import RunnableModel
from instructseq_model.vocabulary import END, PAD, OutputKind

UNKNOWN, GUESSED, DECIDED = 0, 128, 255
"""What an answer under way knows at a pixel: nothing, a draft, a token that is drawn for good."""


@dataclass(frozen=True, kw_only=True)
class Partial:
    """An answer under way.

    Attributes:
        perception: the answer as if it ended here, of the first sample. Of a map: no mark (or unlabelled) where nothing
            is known, and confidence 0 where nothing is decided. Of boxes: those that are complete. Of text: the best
            words so far, which another beam may still overtake.
        decided: H x W uint8, of maps: `DECIDED`, `GUESSED` or `UNKNOWN`. None for boxes and text.
    """

    perception: Perception
    decided: NDArray[np.uint8] | None = None


Watch = Callable[[Callable[[], Mapping[int, Partial]]], None]
"""Handed, after each pass of the decoder that was not the last, a function that reads the answers under way by their
question's number; without those of which nothing is there. Reading paints maps, so it takes as long as `aggregate`."""


def read_partial(
    model: RunnableModel, underway: Underway, row: int, request: Request, timings: dict[str, float]
) -> Partial | None:
    """One row of a batch under way, or None if nothing that can be shown is there.

    Args:
        model: whose tokens they are.
        underway: the batch.
        row: the request's first.
        request: what is being answered.
        timings: seconds so far; what reading takes is added.
    """
    tokens, decided = underway.tokens[row], int(underway.decided[row])
    if request.kind is OutputKind.MAP:
        return _map(model, tokens, underway.probabilities[row], decided, request, timings)
    length = int(((tokens != PAD) & (tokens != END)).sum())
    if length < (4 if request.kind is OutputKind.BOXES else 1):
        return None
    one = replace(request, samples=1)
    return Partial(perception=read_answer(model, _sequence(underway, row, length, request.kind), one, timings))


def _sequence(underway: Underway, row: int, length: int, kind: OutputKind) -> Beam | Generated:
    """The first tokens of a row as reading takes them."""
    tokens, probabilities = underway.tokens[row, :length], underway.probabilities[row, :length]
    if kind is OutputKind.TEXT:
        total = float(probabilities.log().sum())
        return Beam(tokens=tuple(tokens.tolist()), log_probability=total, score=total / length)
    return Generated(tokens=tokens[None], probabilities=probabilities[None], lengths=torch.tensor([length]))


def _map(
    model: RunnableModel,
    tokens: Tensor,
    probabilities: Tensor,
    decided: int,
    request: Request,
    timings: dict[str, float],
) -> Partial:
    """A map of T tokens, of which the first ones are decided."""
    steps = torch.arange(len(tokens), device=tokens.device)
    # What is not decided counts as sure as what is, on average: so it does not change the score.
    usual = probabilities[:decided].clamp(min=1e-12).log().mean().exp()
    made = Generated(
        tokens=torch.where(tokens == PAD, _blank(model), tokens)[None],
        probabilities=torch.where(steps < decided, probabilities, usual)[None],
        lengths=torch.tensor([len(tokens)]),
    )
    perception = read_answer(model, made, replace(request, samples=1), timings)
    states = torch.where(steps < decided, DECIDED, torch.where(tokens == PAD, UNKNOWN, GUESSED))
    side = round(len(tokens) ** 0.5)
    grid = states.view(side, side).cpu().numpy().astype(np.uint8)
    placed: NDArray[np.uint8] = map_to_source(grid, request.placement)
    return Partial(perception=_without_unknown(perception, placed), decided=placed)


def _blank(model: RunnableModel) -> int:
    """The token of a code that paints no mark, or of any code where all do."""
    unmarked = (~model.marked_codes).nonzero()[:1].flatten().tolist()
    return model.config.sequence.vocabulary.visual_range.start + (unmarked[0] if unmarked else 0)


def _without_unknown(perception: Perception, states: NDArray[np.uint8]) -> Perception:
    """Nothing where nothing is known, and no confidence where nothing is decided."""
    assert perception.mask is not None
    assert perception.colour_map is not None
    assert perception.confidence is not None
    nothing = 0 if perception.label_set is None else perception.label_set.unlabelled
    is_known = states != UNKNOWN
    return replace(
        perception,
        mask=np.where(is_known, perception.mask, nothing).astype(perception.mask.dtype),
        colour_map=np.where(is_known[..., None], perception.colour_map, 0).astype(np.uint8),
        confidence=np.where(states == DECIDED, perception.confidence, np.float32(0)),
    )
