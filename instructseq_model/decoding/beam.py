"""Beam search for text (paper, section 4.1: captions with a beam of 6)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from instructseq_model.decoding.generate import Progress
from instructseq_model.decoding.prefix import Prefix
from instructseq_model.decoding.steps import Decoder
from instructseq_model.decoding.token_range import TokenRange, token_range
from instructseq_model.decoding.torch_steps import decoder_of
from instructseq_model.decoding.underway import Observe, Underway
from instructseq_model.errors import ConfigError
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import END, PAD, OutputKind


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


def beam_search(
    model: SequenceModel | Decoder,
    prefix: Prefix,
    *,
    size: int = 6,
    length_penalty: float = 1.0,
    kind: OutputKind = OutputKind.TEXT,
    progress: Progress | None = None,
) -> list[Beam]:
    """The best sequences found for one instruction, best first; arguments and errors as for `beam_searches`.

    Raises:
        ConfigError: the prefix holds several instructions.
    """
    if prefix.begin.shape[0] != 1:
        raise ConfigError(f"beam search takes one instruction, got {prefix.begin.shape[0]}; use beam_searches")
    return beam_searches(model, prefix, size=size, length_penalty=length_penalty, kind=kind, progress=progress)[0]


@torch.inference_mode()
def beam_searches(
    model: SequenceModel | Decoder,
    prefix: Prefix,
    *,
    size: int = 6,
    length_penalty: float = 1.0,
    kind: OutputKind = OutputKind.TEXT,
    progress: Progress | None = None,
    observe: Observe | None = None,
) -> list[list[Beam]]:
    """The best sequences found for each of R instructions, decoded together: R lists, best first.

    Args:
        model: the sequence model, or another decoder of one.
        prefix: R instructions.
        size: K, sequences kept of each instruction at each step, at least 1.
        length_penalty: 0 compares whole probabilities, 1 the mean log probability a token.
        kind: text, or another kind that ends with END.
        progress: told after every step; an exception it raises ends the search.
        observe: shown the best sequence of each instruction after every step but the last; nothing of it is decided.

    Raises:
        ConfigError: `size` is less than 1, or the kind has no END.
    """
    if size < 1:
        raise ConfigError(f"beam size must be at least 1, got {size}")
    decoder = decoder_of(model)
    choices = token_range(decoder.config, kind)
    if not choices.ends:
        raise ConfigError(f"beam search is for outputs that close with END, not for a {kind.value}; use generate")
    limit = decoder.config.output_length(kind)
    steps = decoder.begin(prefix, kind, samples=size, length=limit - 1)
    device = prefix.begin.device
    searches = [
        _Search(size=size, limit=limit, length_penalty=length_penalty, device=device)
        for _ in range(prefix.begin.shape[0])
    ]
    under_way = list(searches)
    logits = steps.first()  # R*K x C
    for step in range(limit):
        closed = choices.forbidden(step, limit)
        if closed is not None:
            logits[:, closed] = float("-inf")
        log_probabilities = logits.log_softmax(-1).unflatten(0, (-1, size))  # R' x K x C
        parents = [search.extend(found, choices) for search, found in zip(under_way, log_probabilities, strict=True)]
        if progress is not None:
            progress(step + 1, limit)
        rows = [first * size + chosen for first, chosen in enumerate(parents) if chosen is not None]
        under_way = [search for search, chosen in zip(under_way, parents, strict=True) if chosen is not None]
        if not under_way:
            break
        if observe is not None:
            observe(partial(_underway, searches))
        steps.select(torch.cat(rows))
        newest = torch.cat([search.held[:, -1:] for search in under_way])  # R'*K x 1
        logits = steps.forward(newest, torch.full((steps.rows,), step, device=device))[:, 0]
    return [search.finished for search in searches]


@dataclass(kw_only=True)
class _Search:
    """One instruction's beams: `held` are K unfinished sequences with log probabilities `total`."""

    size: int
    limit: int
    length_penalty: float
    device: torch.device
    finished: list[Beam] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.held = torch.zeros(self.size, 0, dtype=torch.long, device=self.device)  # K x t vocabulary ids
        self.total = torch.full((self.size,), float("-inf"), device=self.device)
        self.total[0] = 0.0

    def extend(self, log_probabilities: Tensor, choices: TokenRange) -> Tensor | None:
        """Take one more step, from K x C log probabilities; returns the K rows to go on from, None at the end."""
        candidate = self.total[:, None] + log_probabilities  # K x C
        # Twice as many as beams: at most `size` of them can be endings, so `size` unfinished ones remain.
        best, flat = candidate.flatten().topk(min(2 * self.size, candidate.numel()))
        parents, tokens = flat // choices.size, choices.tokens(flat % choices.size)
        for value, parent, token in zip(best.tolist(), parents.tolist(), tokens.tolist(), strict=True):
            if token == END and value > float("-inf"):
                self._finish(parent, value)
        self.finished = sorted(self.finished, key=lambda beam: -beam.score)[: self.size]
        open_ones = (~((tokens == END) | best.isneginf())).nonzero()[: self.size, 0]
        if len(open_ones) == 0 or self._settled(best[open_ones]):
            return None
        rows = _padded(open_ones, self.size)
        self.total = best[rows].clone()
        self.total[len(open_ones) :] = float("-inf")
        self.held = torch.cat([self.held[parents[rows]], tokens[rows, None]], 1)
        return parents[rows]

    def best(self) -> Beam:
        """The sequence that would win if the search ended here."""
        total = float(self.total[0])
        score = total / self.held.shape[1] ** self.length_penalty
        if self.finished and self.finished[0].score >= score:
            return self.finished[0]
        return Beam(tokens=tuple(self.held[0].tolist()), log_probability=total, score=score)

    def _finish(self, parent: int, log_probability: float) -> None:
        length = self.held.shape[1] + 1
        self.finished.append(
            Beam(
                tokens=tuple(self.held[parent].tolist()),
                log_probability=log_probability,
                score=log_probability / length**self.length_penalty,
            )
        )

    def _settled(self, open_totals: Tensor) -> bool:
        """Whether no open sequence can still overtake the finished ones: log probabilities only fall."""
        if len(self.finished) < self.size:
            return False
        return float(open_totals.max()) / self.limit**self.length_penalty <= self.finished[-1].score


def _underway(searches: Sequence[_Search]) -> Underway:
    """The best sequence of each search; its tokens have the mean probability of all of them."""
    best = [search.best() for search in searches]
    longest = max(len(one.tokens) for one in best)
    tokens = torch.full((len(best), longest), PAD)
    probabilities = torch.ones(tokens.shape)
    for row, one in enumerate(best):
        length = len(one.tokens)
        tokens[row, :length] = torch.tensor(one.tokens, dtype=torch.long)
        probabilities[row, :length] = math.exp(one.log_probability / max(length, 1))
    return Underway(tokens=tokens, probabilities=probabilities, decided=torch.zeros(len(best), dtype=torch.long))


def _padded(rows: Tensor, size: int) -> Tensor:
    """`rows` filled up to `size` by repeating the first."""
    return torch.cat([rows, rows[:1].expand(size - len(rows))])
