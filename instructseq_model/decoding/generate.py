"""Drawing N sequences token by token over one shared prefix (paper, section 4.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from instructseq_model.decoding.prefix import DecodingPrefix
from instructseq_model.decoding.sampling import Sampling, choose, noise_rows
from instructseq_model.decoding.token_range import TokenRange, token_range
from instructseq_model.errors import ConfigError
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import END, PAD, OutputKind

NEAR_BINS = 10
"""A coordinate within this many bins of the drawn one is as good as that one: 1 % of the side with 1000 bins."""

Progress = Callable[[int, int], None]
"""Called with (steps done, steps at most)."""


@dataclass(frozen=True, kw_only=True)
class Generated:
    """B = R * N sequences, the N samples of one instruction consecutive.

    Attributes:
        tokens: B x T vocabulary ids; after END all PAD.
        probabilities: B x T, of each token under the model at temperature 1 within its range; 1 after END. Of a
            coordinate, that it lies within `NEAR_BINS` bins of the one drawn.
        lengths: B, tokens before END.
    """

    tokens: Tensor
    probabilities: Tensor
    lengths: Tensor


@torch.inference_mode()
def generate(
    model: SequenceModel,
    prefix: DecodingPrefix,
    kind: OutputKind,
    *,
    sampling: Sampling,
    samples: int = 1,
    seed: int = 0,
    first_sample: int = 0,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Generated:
    """Draw `samples` sequences for each of R instructions.

    Sample s of an instruction depends on the seed and s only: drawn alone or beside others, it is the same sequence.

    Args:
        model: the sequence model.
        prefix: R instructions.
        kind: what the outputs are; every step is restricted to its range.
        sampling: temperature, top-k, top-p. Temperature 0 gives equal samples.
        samples: sequences per instruction, N.
        seed: of the noise.
        first_sample: number of the first sample drawn.
        limit: stop after so many tokens, finished or not; None decodes whole outputs.
        progress: told after every step; an exception it raises ends the decoding.

    Raises:
        ConfigError: `samples` or `limit` is less than 1.
    """
    if samples < 1 or (limit is not None and limit < 1):
        raise ConfigError(f"samples and limit must be at least 1, got {samples} and {limit}")
    choices = token_range(model, kind)
    longest = model.config.output_length(kind)
    limit = longest if limit is None else min(limit, longest)
    instructions = prefix.begin.shape[0]
    rows = instructions * samples
    conditioning = prefix.conditioning
    if conditioning is not None:
        conditioning = conditioning.repeated(samples)
    cache = model.static_cache(rows=rows, length=limit, dtype=prefix.past[0].keys.dtype)
    numbers = range(first_sample, first_sample + samples)
    tokens = torch.full((rows, limit), PAD, device=prefix.begin.device)
    probabilities = torch.ones(rows, limit, device=prefix.begin.device)
    running = torch.ones(rows, dtype=torch.bool, device=prefix.begin.device)
    states = prefix.begin.repeat_interleave(samples, 0)  # B x D
    for step in range(limit):
        logits = _open_logits(model, choices, states, step, longest)
        if kind is OutputKind.BOXES and sampling.temperature == 0:
            logits = settled_end(logits, bins=len(choices.ids))
        noise = None
        if sampling.temperature > 0:
            noise = noise_rows(seed=seed, samples=numbers, position=step, size=choices.size).repeat(instructions, 1)
        picked, probability = choose(logits, noise, sampling)
        if kind is OutputKind.BOXES:
            probability = near_probability(logits, picked, bins=len(choices.ids))
        tokens[:, step] = torch.where(running, choices.tokens(picked), PAD)
        probabilities[:, step] = torch.where(running, probability, 1.0)
        running = running & (tokens[:, step] != END)
        if progress is not None:
            progress(step + 1, limit)
        if step + 1 == limit or not running.any():
            break
        x = model.embed(tokens[:, step : step + 1], kind, step + 1, conditioning)
        states = model.transformer.step(x, prefix=prefix.past, prefix_mask=prefix.mask, cache=cache)
        states = model.grounded(states, kind, step + 1, conditioning)[:, 0]
    taken = tokens[:, : step + 1]
    lengths = ((taken != PAD) & (taken != END)).sum(1)
    return Generated(tokens=taken, probabilities=probabilities[:, : step + 1], lengths=lengths)


def settled_end(logits: Tensor, *, bins: int) -> Tensor:
    """Decide greedily between END and a further box by their probabilities: B x C in and out.

    A coordinate's probability is spread over many bins: END would win against each of them where all of them together
    are more probable.

    Args:
        logits: B x C; C = bins + 1, END last, or C with END already forbidden.
        bins: number of coordinate bins.
    """
    if logits.shape[-1] == bins:
        return logits
    ending = logits[:, bins:] > logits[:, :bins].logsumexp(-1, keepdim=True)  # B x 1
    return torch.cat(
        [
            logits[:, :bins].masked_fill(ending, float("-inf")),
            logits[:, bins:].masked_fill(~ending, float("-inf")),
        ],
        -1,
    )


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


def _open_logits(model: SequenceModel, choices: TokenRange, states: Tensor, step: int, limit: int) -> Tensor:
    logits = choices.logits(model, states)  # B x C
    closed = choices.forbidden(step, limit)
    if closed is not None:
        logits[:, closed] = float("-inf")
    return logits
