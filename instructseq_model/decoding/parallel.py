"""Exact parallel decoding of maps: the tokens that token-by-token decoding draws, in fewer passes of the decoder.

The noise of a token is fixed by sample and position, so a token is a function of the tokens before it. A pass shows the
decoder a window of tokens, of which all but the first may be guesses (`drafts.py`), and gives what follows each. What
follows decided tokens is decided; as far as guesses turn out right, so is what follows them (speculative decoding with
Gumbel coupling; the reuse of stale predictions is Jacobi decoding, Santilli et al. 2023, Teng et al. 2024). Every map
goes on at its own pace, and those that are finished leave.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from instructseq_model.decoding.drafts import UNKNOWN, Drafter, Drawing, StaleDraft
from instructseq_model.decoding.generate import Draw, Generated, Meanings, Progress
from instructseq_model.decoding.leaving import LEAVING_SHARE, staying_rows
from instructseq_model.decoding.prefix import Prefix
from instructseq_model.decoding.sampling import Sampling
from instructseq_model.decoding.steps import Decoder, DecoderSteps
from instructseq_model.decoding.token_range import TokenRange, token_range
from instructseq_model.decoding.torch_steps import decoder_of
from instructseq_model.decoding.underway import Observe, Underway
from instructseq_model.errors import ConfigError
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import PAD, OutputKind

DEFAULT_WINDOW = 16

DRAWN_AT_ONCE = 1 << 17
"""Logits that tokens are drawn from at once on a CPU: some 20 ms of one core."""


@torch.inference_mode()
def generate_maps(
    model: SequenceModel | Decoder,
    prefix: Prefix,
    *,
    sampling: Sampling,
    samples: int = 1,
    seed: int = 0,
    first_sample: int = 0,
    meanings: Meanings | None = None,
    window: int = DEFAULT_WINDOW,
    drafter: Drafter | None = None,
    progress: Progress | None = None,
    observe: Observe | None = None,
) -> Generated:
    """Draw `samples` maps for each of R instructions: the same as `generate` draws, tokens and probabilities.

    The same up to rounding, to be exact: passes of other shapes add up in another order, so where two tokens are
    equally good to the last bits of the model's precision, the other one may be taken.

    Args:
        model: the sequence model, or another decoder of one.
        prefix: R instructions.
        sampling: temperature, top-k, top-p.
        samples: maps per instruction, N.
        seed: of the noise.
        first_sample: number of the first sample drawn.
        meanings: of the codes; None where each means something else.
        window: tokens a pass checks, at least 1; it decides speed alone.
        drafter: makes the guesses; None for `StaleDraft`. It decides speed alone.
        progress: told after every pass how many tokens the slowest map has, and again within long ones; an exception it
            raises ends the decoding.
        observe: shown the maps after every pass but the last.

    Raises:
        ConfigError: `samples` or `window` is less than 1.
    """
    if samples < 1 or window < 1:
        raise ConfigError(f"samples and window must be at least 1, got {samples} and {window}")
    decoder = decoder_of(model)
    choices = token_range(decoder.config, OutputKind.MAP)
    length = decoder.config.output_length(OutputKind.MAP)
    window = min(window, length - 1)
    drafter = drafter or StaleDraft()
    draw = Draw.over(
        prefix, sampling=sampling, meanings=meanings, seed=seed, samples=samples, first_sample=first_sample
    )
    guesses, forwards = drafter.begin(Drawing(decoder, prefix, samples, draw, window))
    steps = decoder.begin(prefix, OutputKind.MAP, samples=samples, length=length - 1)
    maps = _Maps(steps, guesses, draw=draw, samples=samples, choices=choices)
    while (done := maps.done()) < length:
        tell = None if progress is None else partial(progress, done, length)
        if tell is not None:
            tell()
        maps.leave()
        maps.advance(drafter, window, tell)
        forwards += 1
        if observe is not None and maps.done() < length:
            observe(maps.underway)
    if progress is not None:
        progress(length, length)
    drawn, probabilities = maps.drawn()
    lengths = torch.full(drawn.shape[:1], length, device=drawn.device)
    return Generated(tokens=choices.tokens(drawn), probabilities=probabilities, lengths=lengths, forwards=forwards)


class _Maps:
    """B maps of T tokens, drawn as far as `known` says; rows of finished maps leave in time.

    Args:
        steps: of B rows, at their beginning.
        guesses: B x T choices.
        draw: of B rows.
        samples: N, rows of each instruction.
        choices: of maps.
    """

    def __init__(self, steps: DecoderSteps, guesses: Tensor, *, draw: Draw, samples: int, choices: TokenRange) -> None:
        self._steps, self._draw, self._samples, self._choices = steps, draw, samples, choices
        self._map = torch.arange(len(guesses), device=guesses.device)  # which of all maps each row draws
        self._known = torch.ones_like(self._map)
        self._guesses = guesses  # drawn where the step is below `known`
        self._probabilities = torch.ones(guesses.shape, device=guesses.device)
        first = torch.zeros_like(self._map)[:, None]
        self._guesses[:, :1], self._probabilities[:, :1] = draw(steps.first()[:, None], first)
        self._all = (self._guesses.clone(), self._probabilities.clone())

    def done(self) -> int:
        """Tokens of the slowest map."""
        return int(self._known.min())

    def drawn(self) -> tuple[Tensor, Tensor]:
        """All maps' choices and probabilities, each B x T."""
        for every, held in zip(self._all, (self._guesses, self._probabilities), strict=True):
            every[self._map] = held
        return self._all

    def underway(self) -> Underway:
        """All maps as they stand."""
        drawn, probabilities = self.drawn()
        length = drawn.shape[1]
        decided = torch.full((len(drawn),), length, device=drawn.device)  # maps that have left are finished
        decided[self._map] = self._known
        is_decided = torch.arange(length, device=drawn.device) < decided[:, None]  # B x T
        return Underway(
            tokens=torch.where(drawn == UNKNOWN, PAD, self._choices.tokens(drawn.clamp(min=0))),
            probabilities=torch.where(is_decided, probabilities, 1.0),
            decided=decided,
        )

    def advance(self, drafter: Drafter, window: int, tell: Callable[[], None] | None) -> None:
        """One pass of the decoder over K tokens of each row; `tell` is called after every part of the drawing."""
        length, known = self._guesses.shape[1], self._known[:, None]
        self._guesses = drafter.revise(self._guesses, self._known, window - 1)
        # The first token shown is the last that is drawn; at the end of the map, more of those are shown again.
        starts = (self._known - 1).clamp(max=length - 1 - window)
        at = starts[:, None] + torch.arange(window, device=starts.device)  # B x K steps of the tokens shown
        shown = self._guesses.gather(1, at)
        logits = self._steps.forward(self._choices.tokens(shown), starts)  # B x K x C, of the steps after
        picked, probability = self._drawn_in_parts(logits, at + 1, tell)
        right = torch.ones_like(at)
        right[:, 1:] = (at[:, 1:] < known) | (shown[:, 1:] == picked[:, :-1])
        right = right.cumprod(1).bool()  # all tokens shown up to here are the drawn ones
        after = at + 1 >= known
        self._guesses.scatter_(1, at + 1, torch.where(after, picked, self._guesses.gather(1, at + 1)))
        held = self._probabilities.gather(1, at + 1)
        self._probabilities.scatter_(1, at + 1, torch.where(after & right, probability, held))
        self._known = starts + 1 + right.sum(1)

    def _drawn_in_parts(self, logits: Tensor, steps: Tensor, tell: Callable[[], None] | None) -> tuple[Tensor, Tensor]:
        """What `Draw` draws. Each step is drawn by itself, so all at once and one after the other are the same."""
        rows, length, size = logits.shape
        at_once = max(1, DRAWN_AT_ONCE // (rows * size))
        if tell is None or at_once >= length or logits.device.type != "cpu":
            return self._draw(logits, steps)
        parts = []
        for part, at in zip(logits.split(at_once, 1), steps.split(at_once, 1), strict=True):
            parts.append(self._draw(part, at))
            tell()
        picked, probability = zip(*parts, strict=True)
        return torch.cat(picked, 1), torch.cat(probability, 1)

    def leave(self) -> None:
        """Let rows of finished maps go, as far as the rows that stay are equally many of each instruction."""
        rows, share = staying_rows(self._known < self._guesses.shape[1], self._samples)
        if len(rows) > LEAVING_SHARE * len(self._map):
            return
        self.drawn()
        self._samples = share
        self._steps.select(rows)
        self._draw = self._draw.rows(rows)
        self._map, self._known = self._map[rows], self._known[rows]
        self._guesses, self._probabilities = self._guesses[rows], self._probabilities[rows]
