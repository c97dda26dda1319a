"""Drawing N sequences token by token over one shared prefix (paper, section 4.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from instructseq_model.decoding.noise import gumbel_noise
from instructseq_model.decoding.prefix import DecodingPrefix
from instructseq_model.decoding.sampling import Sampling, choose
from instructseq_model.decoding.steps import Decoder
from instructseq_model.decoding.token_range import token_range
from instructseq_model.decoding.torch_steps import decoder_of
from instructseq_model.errors import ConfigError
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import END, PAD, OutputKind

NEAR_BINS = 10
"""A coordinate within this many bins of the drawn one is as good as that one: 1 % of the side with 1000 bins."""

Progress = Callable[[int, int], None]
"""Called with (steps done, steps at most)."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Choices that mean the same, to be decided on together when the most probable token is taken.

    Probability spread over many tokens of one meaning loses against a single token of another meaning, though the
    meaning is more probable: coordinate bins against END, all codes of marked regions against black.

    Attributes:
        members: C, bool, the choices of the group.
        threshold: smallest probability with which the group wins, in (0, 1].
    """

    members: Tensor
    threshold: float


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How the tokens of B sequences are drawn from logits.

    Attributes:
        sampling: temperature and restriction.
        group: choices decided on together at temperature 0; None for none.
        seed: of the noise.
        samples: B, int64, the sample numbers of the sequences, which their noise depends on.
    """

    sampling: Sampling
    group: Group | None
    seed: int
    samples: Tensor

    def __call__(self, logits: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Draw one token from each distribution.

        Args:
            logits: B x K x C, with minus infinity for what is forbidden.
            steps: B x K output steps.

        Returns:
            Choices, and their probabilities under the model itself: temperature 1, nothing cut; each B x K.
        """
        if self.sampling.temperature > 0:
            return choose(logits, self.noise(steps, logits.shape[-1]), self.sampling)
        if self.group is None:
            return choose(logits, None, self.sampling)
        picked, _ = choose(decide_group(logits, self.group), None, self.sampling)
        return picked, logits.float().softmax(-1).gather(-1, picked[..., None])[..., 0]

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
        probabilities: B x T, of each token under the model at temperature 1 within its range; 1 after END. Of a
            coordinate, that it lies within `NEAR_BINS` bins of the one drawn.
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
    prefix: DecodingPrefix,
    kind: OutputKind,
    *,
    sampling: Sampling,
    samples: int = 1,
    seed: int = 0,
    first_sample: int = 0,
    group: Group | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
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
        group: choices decided on together at temperature 0; None means END for boxes, and none for maps.
        limit: stop after so many tokens, finished or not; None decodes whole outputs.
        progress: told after every step; an exception it raises ends the decoding.

    Raises:
        ConfigError: `samples` or `limit` is less than 1.
    """
    if samples < 1 or (limit is not None and limit < 1):
        raise ConfigError(f"samples and limit must be at least 1, got {samples} and {limit}")
    decoder = decoder_of(model)
    choices = token_range(decoder.config, kind)
    if group is None and choices.kind is OutputKind.BOXES:
        group = Group(members=torch.arange(choices.size) == len(choices.ids), threshold=0.5)
    longest = decoder.config.output_length(kind)
    limit = longest if limit is None else min(limit, longest)
    steps = decoder.begin(prefix, kind, samples=samples, length=limit - 1)
    device = prefix.begin.device
    draw = Draw(sampling=sampling, group=group, seed=seed, samples=sample_numbers(prefix, samples, first_sample))
    tokens = torch.full((steps.rows, limit), PAD, device=device)
    probabilities = torch.ones(steps.rows, limit, device=device)
    running = torch.ones(steps.rows, dtype=torch.bool, device=device)
    logits = steps.first()  # B x C
    for step in range(limit):
        closed = choices.forbidden(step, longest)
        if closed is not None:
            logits[:, closed] = float("-inf")
        here = torch.full((steps.rows,), step, device=device)
        picked, probability = (drawn[:, 0] for drawn in draw(logits[:, None], here[:, None]))
        if kind is OutputKind.BOXES:
            probability = near_probability(logits, picked, bins=len(choices.ids))
        tokens[:, step] = torch.where(running, choices.tokens(picked), PAD)
        probabilities[:, step] = torch.where(running, probability, 1.0)
        running = running & (tokens[:, step] != END)
        if progress is not None:
            progress(step + 1, limit)
        if step + 1 == limit or not running.any():
            break
        logits = steps.forward(tokens[:, step : step + 1], here)[:, 0]
    taken = tokens[:, : step + 1]
    lengths = ((taken != PAD) & (taken != END)).sum(1)
    return Generated(tokens=taken, probabilities=probabilities[:, : step + 1], lengths=lengths, forwards=step)


def sample_numbers(prefix: DecodingPrefix, samples: int, first_sample: int) -> Tensor:
    """Numbers of the samples of R * samples sequences, those of one instruction consecutive."""
    numbers = torch.arange(first_sample, first_sample + samples, device=prefix.begin.device)
    return numbers.repeat(prefix.begin.shape[0])


def decide_group(logits: Tensor, group: Group) -> Tensor:
    """Leave open only the group or only the rest, by their probabilities as wholes: ... x C in and out."""
    members = group.members.to(logits.device)
    inside = logits.masked_fill(~members, float("-inf")).logsumexp(-1)  # ...
    wins = (inside - logits.logsumexp(-1)).exp() >= group.threshold
    return logits.masked_fill(wins[..., None] != members, float("-inf"))


def near_probability(logits: Tensor, picked: Tensor, *, bins: int) -> Tensor:
    """Probability that a coordinate lies near the drawn bin; of END, its own.

    Args:
        logits: B x C, C >= bins; choices beyond the bins are END.
        picked: B choices.
        bins: number of coordinate bins.
    """
    probability = logits.softmax(-1)  # B x C
    near = (torch.arange(logits.shape[-1], device=logits.device) - picked[:, None]).abs() <= NEAR_BINS  # B x C
    near[:, bins:] = False
    of_coordinate = (probability * near).sum(-1).clamp(max=1.0)
    return torch.where(picked < bins, of_coordinate, probability.gather(1, picked[:, None])[:, 0])
