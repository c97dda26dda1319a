"""Beam search for text (paper, section 4.1: captions with a beam of 6)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from instructseq_model.decoding.generate import Progress
from instructseq_model.decoding.prefix import DecodingPrefix
from instructseq_model.decoding.token_range import token_range
from instructseq_model.errors import ConfigError
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import END, OutputKind


@dataclass(frozen=True, kw_only=True)
class Beam:
    """One finished sequence.

    Attributes:
        tokens: vocabulary ids before END.
        log_probability: of the whole sequence, END included.
        score: `log_probability` over length to the power of the length penalty; the beams are ordered by it.
    """

    tokens: tuple[int, ...]
    log_probability: float
    score: float


@torch.inference_mode()
def beam_search(
    model: SequenceModel,
    prefix: DecodingPrefix,
    *,
    size: int = 6,
    length_penalty: float = 1.0,
    kind: OutputKind = OutputKind.TEXT,
    progress: Progress | None = None,
) -> list[Beam]:
    """The best sequences found for one instruction, best first.

    Args:
        model: the sequence model.
        prefix: one instruction.
        size: sequences kept at each step, at least 1.
        length_penalty: 0 compares whole probabilities, 1 the mean log probability a token.
        kind: text, or another kind that ends with END.
        progress: told after every step; an exception it raises ends the search.

    Raises:
        ConfigError: `size` is less than 1, the prefix holds several instructions, or the kind has no END.
    """
    if size < 1:
        raise ConfigError(f"beam size must be at least 1, got {size}")
    if prefix.begin.shape[0] != 1:
        raise ConfigError(f"beam search takes one instruction, got {prefix.begin.shape[0]}")
    choices = token_range(model, kind)
    if not choices.ends:
        raise ConfigError(f"beam search is for outputs that close with END, not for a {kind.value}; use generate")
    limit = model.config.output_length(kind)
    cache = model.static_cache(rows=size, length=limit, dtype=prefix.past[0].keys.dtype)
    device = prefix.begin.device
    conditioning = prefix.conditioning
    if conditioning is not None:
        conditioning = conditioning.repeated(size)
    held = torch.zeros(size, 0, dtype=torch.long, device=device)  # K x t vocabulary ids
    total = torch.full((size,), float("-inf"), device=device)
    total[0] = 0.0
    states = prefix.begin.expand(size, -1)
    finished: list[Beam] = []
    for step in range(limit):
        logits = choices.logits(model, states)
        closed = choices.forbidden(step, limit)
        if closed is not None:
            logits[:, closed] = float("-inf")
        candidate = total[:, None] + logits.log_softmax(-1)  # K x C
        # Twice as many as beams: at most `size` of them can be endings, so `size` unfinished ones remain.
        best, flat = candidate.flatten().topk(min(2 * size, candidate.numel()))
        parents, tokens = flat // choices.size, choices.tokens(flat % choices.size)
        ending = (tokens == END) | best.isneginf()
        for value, parent, token in zip(best.tolist(), parents.tolist(), tokens.tolist(), strict=True):
            if token == END and value > float("-inf"):
                length = held.shape[1] + 1
                finished.append(
                    Beam(
                        tokens=tuple(held[parent].tolist()),
                        log_probability=value,
                        score=value / length**length_penalty,
                    )
                )
        finished = sorted(finished, key=lambda beam: -beam.score)[:size]
        if progress is not None:
            progress(step + 1, limit)
        open_ones = (~ending).nonzero()[:size, 0]
        if len(open_ones) == 0 or _settled(finished, best[open_ones], limit, size, length_penalty):
            break
        rows = _padded(open_ones, size)
        total = best[rows].clone()
        total[len(open_ones) :] = float("-inf")
        held = torch.cat([held[parents[rows]], tokens[rows, None]], 1)
        if step:
            cache.reorder(parents[rows])
        x = model.embed(tokens[rows, None], kind, step + 1, conditioning)
        states = model.transformer.step(x, prefix=prefix.past, prefix_mask=prefix.mask, cache=cache)
        states = model.grounded(states, kind, step + 1, conditioning)[:, 0]
    return finished


def _settled(finished: list[Beam], open_totals: Tensor, limit: int, size: int, length_penalty: float) -> bool:
    """Whether no open sequence can still overtake the finished ones: log probabilities only fall."""
    if len(finished) < size:
        return False
    return float(open_totals.max()) / limit**length_penalty <= finished[-1].score


def _padded(rows: Tensor, size: int) -> Tensor:
    """`rows` filled up to `size` by repeating the first."""
    return torch.cat([rows, rows[:1].expand(size - len(rows))])
