"""Choosing the next token: temperature, top-k, top-p, and noise that is fixed for each sample and position.

Sampling is written as argmax(logits / T + g) with Gumbel noise g (the Gumbel-max trick), and g depends only on seed,
sample and position (`noise.py`). So a sequence does not change with the number of sequences drawn beside it or with the
order in which positions are computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from instructseq_model.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How tokens are drawn.

    Attributes:
        temperature: divides the logits; 0 takes the most probable token.
        top_k: only the k most probable tokens; None for all.
        top_p: only the most probable tokens that together hold this much probability, in (0, 1]; None for all.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature <= 10.0:
            raise ConfigError(f"temperature must be in [0, 10], got {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"top_k must be at least 1, got {self.top_k}")
        if self.top_p is not None and not 0.0 < self.top_p <= 1.0:
            raise ConfigError(f"top_p must be in (0, 1], got {self.top_p}")


GREEDY = Sampling(temperature=0.0)


def restrict(logits: Tensor, sampling: Sampling) -> Tensor:
    """Set the logits outside top-k and top-p to minus infinity; ... x V in and out.

    Top-p keeps the smallest set of most probable tokens, at the sampling temperature, that holds `top_p`.
    """
    if sampling.top_k is not None and sampling.top_k < logits.shape[-1]:
        kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, logits.topk(sampling.top_k, -1).indices, True)
        logits = logits.masked_fill(~kept, float("-inf"))
    if sampling.top_p is not None and sampling.top_p < 1.0:
        ordered, order = logits.sort(-1, descending=True)
        probability = (ordered / max(sampling.temperature, 1e-6)).softmax(-1)
        before = probability.cumsum(-1) - probability
        dropped = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before >= sampling.top_p)
        logits = logits.masked_fill(dropped, float("-inf"))
    return logits


def pick(logits: Tensor, noise: Tensor | None, sampling: Sampling) -> Tensor:
    """Draw one token from each distribution.

    Args:
        logits: ... x V.
        noise: ... x V Gumbel noise; None for the most probable token.
        sampling: temperature and restriction.

    Returns:
        Tokens, of shape `...`.
    """
    score = restrict(logits.float(), sampling)
    if noise is not None and sampling.temperature > 0:
        score = score / sampling.temperature + noise.to(logits.device)
    return score.argmax(-1)


def choose(logits: Tensor, noise: Tensor | None, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Draw one token from each distribution, arguments as for `pick`.

    Returns:
        Tokens, and their probabilities under the model itself: temperature 1, nothing cut; each of shape `...`.
    """
    token = pick(logits, noise, sampling)
    probability = logits.float().softmax(-1).gather(-1, token[..., None])[..., 0]
    return token, probability
