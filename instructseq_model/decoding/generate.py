"""Drawing N sequences token by token over one shared prefix (paper, section 4.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from torch import Tensor

from instructseq_model.decoding.leaving import LEAVING_SHARE, staying_rows
from instructseq_model.decoding.noise import gumbel_noise
from instructseq_model.decoding.prefix import Prefix
from instructseq_model.decoding.sampling import Sampling, choose, pick
from instructseq_model.decoding.steps import Decoder, DecoderSteps
from instructseq_model.decoding.token_range import TokenRange, token_range
from instructseq_model.decoding.torch_steps import decoder_of
from instructseq_model.decoding.underway import Observe, Underway
from instructseq_model.errors import ConfigError
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import END, PAD, OutputKind

NEAR_BINS = 10
"""A coordinate within this many bins of the drawn one is as good as that one: 1 % of the side with 1000 bins."""

Progress = Callable[[int, int], None]
"""Called with (steps done, steps at most)."""


@dataclass(frozen=True, kw_only=True)
class Meanings:
    """What choices mean, several of them the same: codes that paint one class, coordinate bins against END.

    Probability spread over many tokens of one meaning loses against a single token of another meaning, though the
    meaning is more probable. So where the most probable token is taken, a meaning is decided on first, by the
    probability of all its tokens; and a token's probability is always that of its meaning.

    Attributes:
        labels: C, int64, the meaning of each choice, numbered from 0.
        threshold: smallest probability with which meaning 1 wins, in (0, 1]; None where the most probable meaning wins.
    """

    labels: Tensor
    threshold: float | None = None

    @classmethod
    def marked(cls, members: Tensor, *, threshold: float) -> Meanings:
        """Two meanings: the members, C of bool, and the others."""
        return cls(labels=members.long(), threshold=threshold)

    @cached_property
    def count(self) -> int:
        """M, the number of meanings; two at least."""
        return max(2, int(self.labels.max()) + 1)

    def to(self, device: torch.device) -> Meanings:
        """The same, where logits are."""
        return self if self.labels.device == device else replace(self, labels=self.labels.to(device))

    def masses(self, probability: Tensor) -> Tensor:
        """Probability of each meaning: ... x C of the choices to ... x M."""
        masses = torch.zeros(*probability.shape[:-1], self.count, device=probability.device, dtype=probability.dtype)
        return masses.index_add_(-1, self.labels, probability)

    def decide(self, masses: Tensor) -> Tensor:
        """The meaning that wins: ... x M probabilities to ...."""
        if self.threshold is None:
            return masses.argmax(-1)
        others = masses.clone()
        others[..., 1] = -1.0
        return torch.where(masses[..., 1] >= self.threshold, 1, others.argmax(-1))


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How the tokens of B sequences are drawn from logits.

    Attributes:
        sampling: temperature and restriction.
        meanings: of the choices, on the device of the logits; None where each means something else.
        seed: of the noise.
        samples: B, int64, the sample numbers of the sequences, which their noise depends on.
        bins: how many of the choices are bins of a coordinate, the first ones; None where they are none.
    """

    sampling: Sampling
    meanings: Meanings | None
    seed: int
    samples: Tensor
    bins: int | None = None

    @classmethod
    def over(
        cls,
        prefix: Prefix,
        *,
        sampling: Sampling,
        meanings: Meanings | None,
        seed: int,
        samples: int,
        first_sample: int,
    ) -> Draw:
        """That of `samples` sequences of each instruction, B in all; arguments as for `generate`."""
        numbers = sample_numbers(prefix, samples, first_sample)
        held = None if meanings is None else meanings.to(numbers.device)
        return cls(sampling=sampling, meanings=held, seed=seed, samples=numbers)

    def __call__(self, logits: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Draw one token from each distribution.

        Args:
            logits: B x K x C, with minus infinity for what is forbidden.
            steps: B x K output steps.

        Returns:
            Choices, and the probabilities of what they mean under the model itself: temperature 1, nothing cut; each
            B x K.
        """
        noise = self.noise(steps, logits.shape[-1]) if self.sampling.temperature > 0 else None
        if self.meanings is None:
            return choose(logits, noise, self.sampling)
        probability = logits.float().softmax(-1)  # B x K x C
        labels, masses = self.meanings.labels, self.meanings.masses(probability)
        if noise is None:
            won = self.meanings.decide(masses)  # B x K
            logits = logits.masked_fill(labels != won[..., None], float("-inf"))
        picked = pick(logits, noise, self.sampling)
        if self.bins is not None:
            return picked, near_probability(probability, picked, bins=self.bins)
        return picked, masses.gather(-1, labels[picked][..., None])[..., 0]

    def noise(self, steps: Tensor, size: int) -> Tensor:
        """What is added to `size` logits over temperature at B x K steps: B x K x size."""
        return gumbel_noise(seed=self.seed, samples=self.samples[:, None], positions=steps, size=size)

    def rows(self, chosen: Tensor) -> Draw:
        """That of some of the sequences."""
        return replace(self, samples=self.samples[chosen])


@dataclass(frozen=True, kw_only=True)
class Generated:
    """B = R * N sequences, the N samples of one instruction consecutive.

    Attributes:
        tokens: B x T vocabulary ids; after END all PAD.
        probabilities: B x T, of what each token means, under the model at temperature 1 within its range; 1 after END.
            Of a coordinate, that it lies within `NEAR_BINS` bins of the one drawn.
        lengths: B, tokens before END.
        forwards: how often the decoder was run, of all rows together.
    """

    tokens: Tensor
    probabilities: Tensor
    lengths: Tensor
    forwards: int = 0


@torch.inference_mode()
def generate(
    model: SequenceModel | Decoder,
    prefix: Prefix,
    kind: OutputKind,
    *,
    sampling: Sampling,
    samples: int = 1,
    seed: int = 0,
    first_sample: int = 0,
    meanings: Meanings | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    observe: Observe | None = None,
) -> Generated:
    """Draw `samples` sequences for each of R instructions.

    Sample s of an instruction depends on the seed and s only: drawn alone or beside others, it is the same sequence.

    Args:
        model: the sequence model, or another decoder of one.
        prefix: R instructions.
        kind: what the outputs are; every step is restricted to its range.
        sampling: temperature, top-k, top-p. Temperature 0 gives equal samples.
        samples: sequences per instruction, N.
        seed: of the noise.
        first_sample: number of the first sample drawn.
        meanings: of the choices; None means END and all else for boxes, and one of its own for each code of maps.
        limit: stop after so many tokens, finished or not; None decodes whole outputs.
        progress: told after every step; an exception it raises ends the decoding.
        observe: shown the sequences after every step but the last.

    Raises:
        ConfigError: `samples` or `limit` is less than 1.
    """
    if samples < 1 or (limit is not None and limit < 1):
        raise ConfigError(f"samples and limit must be at least 1, got {samples} and {limit}")
    decoder = decoder_of(model)
    choices = token_range(decoder.config, kind)
    if meanings is None and choices.kind is OutputKind.BOXES:
        meanings = Meanings.marked(torch.arange(choices.size) == len(choices.ids), threshold=0.5)
    longest = decoder.config.output_length(kind)
    limit = longest if limit is None else min(limit, longest)
    steps = decoder.begin(prefix, kind, samples=samples, length=limit - 1)
    draw = Draw.over(
        prefix, sampling=sampling, meanings=meanings, seed=seed, samples=samples, first_sample=first_sample
    )
    if choices.kind is OutputKind.BOXES:
        draw = replace(draw, bins=len(choices.ids))
    rows = _Rows(steps, draw, samples=samples, limit=limit)
    logits = steps.first()  # B x C
    for step in range(limit):
        closed = choices.forbidden(step, longest)
        if closed is not None:
            logits[:, closed] = float("-inf")
        rows.take(step, logits, choices)
        if progress is not None:
            progress(step + 1, limit)
        # Maps do not end early: asking whether all have would wait for the device at every token.
        if step + 1 == limit or (choices.ends and not rows.leave()):
            break
        if observe is not None:
            observe(partial(rows.underway, step + 1))
        logits = rows.show(step)
    return rows.drawn(step + 1, forwards=step)


class _Rows:
    """B sequences, of which those that have ended leave in time.

    Args:
        steps: of B rows, at their beginning.
        draw: of B rows.
        samples: N, rows of each instruction.
        limit: most tokens of a row.
    """

    def __init__(self, steps: DecoderSteps, draw: Draw, *, samples: int, limit: int) -> None:
        self._steps, self._draw, self._samples = steps, draw, samples
        device = draw.samples.device
        self._row = torch.arange(steps.rows, device=device)  # which of all sequences each row draws
        self._running = torch.ones(steps.rows, dtype=torch.bool, device=device)
        self._tokens = torch.full((steps.rows, limit), PAD, device=device)
        self._probabilities = torch.ones(steps.rows, limit, dtype=torch.float32, device=device)

    def take(self, step: int, logits: Tensor, choices: TokenRange) -> None:
        """Draw the token of this step from B x C logits."""
        picked, probability = (drawn[:, 0] for drawn in self._draw(logits[:, None], self._at(step)[:, None]))
        token = torch.where(self._running, choices.tokens(picked), PAD)
        self._tokens[self._row, step] = token
        self._probabilities[self._row, step] = torch.where(self._running, probability, 1.0)
        self._running = self._running & (token != END)

    def leave(self) -> bool:
        """Let ended rows go, as far as those that stay are equally many of each instruction; whether any goes on."""
        if not self._running.any():
            return False
        rows, share = staying_rows(self._running, self._samples)
        if len(rows) <= LEAVING_SHARE * len(self._row):
            self._steps.select(rows)
            self._draw, self._samples = self._draw.rows(rows), share
            self._row, self._running = self._row[rows], self._running[rows]
        return True

    def show(self, step: int) -> Tensor:
        """Show the decoder the tokens of this step: logits of the next, B x C."""
        return self._steps.forward(self._tokens[self._row, step, None], self._at(step))[:, 0]

    def drawn(self, length: int, *, forwards: int) -> Generated:
        """All sequences, the first `length` tokens of each."""
        taken = self._tokens[:, :length]
        lengths = ((taken != PAD) & (taken != END)).sum(1)
        return Generated(
            tokens=taken, probabilities=self._probabilities[:, :length], lengths=lengths, forwards=forwards
        )

    def underway(self, drawn: int) -> Underway:
        """All sequences as they are now; the first `drawn` tokens are there."""
        decided = torch.full(self._tokens.shape[:1], drawn, device=self._tokens.device)
        return Underway(
            tokens=self._tokens[:, :drawn].clone(),
            probabilities=self._probabilities[:, :drawn].clone(),
            decided=decided,
        )

    def _at(self, step: int) -> Tensor:
        return torch.full_like(self._row, step)


def sample_numbers(prefix: Prefix, samples: int, first_sample: int) -> Tensor:
    """Numbers of the samples of R * samples sequences, those of one instruction consecutive."""
    numbers = torch.arange(first_sample, first_sample + samples, device=prefix.begin.device)
    return numbers.repeat(prefix.begin.shape[0])


def near_probability(probability: Tensor, picked: Tensor, *, bins: int) -> Tensor:
    """Probability that a coordinate lies near the drawn bin; of END, its own.

    Args:
        probability: ... x C of the choices, C >= bins; those beyond the bins are END.
        picked: drawn choices, of shape `...`.
        bins: number of coordinate bins.
    """
    near = (torch.arange(bins, device=picked.device) - picked[..., None]).abs() <= NEAR_BINS  # ... x bins
    of_coordinate = (probability[..., :bins] * near).sum(-1).clamp(max=1.0)
    return torch.where(picked < bins, of_coordinate, probability.gather(-1, picked[..., None])[..., 0])
