"""Decoder steps in PyTorch: the sequence model over a shared prefix and a static cache."""

from __future__ import annotations

import torch
from torch import Tensor

from instructseq_model.decoding.prefix import DecodingPrefix
from instructseq_model.decoding.steps import Decoder
from instructseq_model.decoding.token_range import TokenRange, token_range
from instructseq_model.grounding import Conditioning
from instructseq_model.sequence_model import SequenceConfig, SequenceModel
from instructseq_model.transformer import KeyValues, StaticCache
from instructseq_model.vocabulary import END, OutputKind


class TorchSteps:
    """`DecoderSteps` of a sequence model; see there for the methods.

    Args:
        model: in evaluation mode.
        prefix: R instructions.
        kind: what the outputs are.
        samples: N, sequences an instruction.
        length: most tokens that a row will be shown.
    """

    def __init__(
        self, model: SequenceModel, prefix: DecodingPrefix, kind: OutputKind, *, samples: int, length: int
    ) -> None:
        self._model, self._prefix, self._kind = model, prefix, kind
        self._choices = token_range(model.config, kind)
        self._all_seen = bool(prefix.mask.all())
        instructions = prefix.begin.shape[0]
        self._instruction = torch.arange(instructions, device=prefix.begin.device).repeat_interleave(samples)  # B
        self._cache = model.static_cache(
            rows=instructions * samples, length=max(length, 1), dtype=prefix.past[0].keys.dtype
        )

    @property
    def rows(self) -> int:
        """B, the number of sequences."""
        return len(self._instruction)

    def first(self) -> Tensor:
        """Logits of step 0: B x C."""
        return choice_logits(self._model, self._choices, self._prefix.begin)[self._instruction]

    def forward(self, tokens: Tensor, starts: Tensor) -> Tensor:
        """Logits of the steps after each token of the windows: B x K x C."""
        return window_logits(
            self._model,
            self._choices,
            tokens,
            starts,
            self._instruction,
            past=self._prefix.past,
            mask=None if self._all_seen else self._prefix.mask,
            conditioning=self._prefix.conditioning,
            cache=self._cache,
        )

    def select(self, rows: Tensor) -> None:
        """Keep, repeat or reorder rows."""
        self._cache.select(rows)
        remaining, self._instruction = torch.unique_consecutive(self._instruction[rows], return_inverse=True)
        if len(remaining) < self._prefix.begin.shape[0]:
            self._prefix = self._prefix.rows(remaining)


class TorchDecoder:
    """`Decoder` of a sequence model.

    Args:
        model: in evaluation mode.
    """

    def __init__(self, model: SequenceModel) -> None:
        self._model = model

    @property
    def config(self) -> SequenceConfig:
        """The model's."""
        return self._model.config

    def begin(self, prefix: DecodingPrefix, kind: OutputKind, *, samples: int, length: int) -> TorchSteps:
        """Make room for R * samples sequences."""
        return TorchSteps(self._model, prefix, kind, samples=samples, length=length)


def window_logits(
    model: SequenceModel,
    choices: TokenRange,
    tokens: Tensor,
    starts: Tensor,
    instruction: Tensor,
    *,
    past: list[KeyValues],
    mask: Tensor | None,
    conditioning: Conditioning | None,
    cache: StaticCache,
) -> Tensor:
    """A pass of the decoder over a window of each of B rows; their keys and values go into the cache.

    Args:
        model: in evaluation mode.
        choices: of what the outputs are.
        tokens: B x K vocabulary ids.
        starts: B, the step of each row's first token.
        instruction: B, which of the R instructions each row belongs to: equally many consecutive rows of each.
        past: each layer's keys and values of the prefix, R x H x P x d.
        mask: R x P, bool; None where all is seen.
        conditioning: of R rows; None without grounding.
        cache: of B rows.

    Returns:
        B x K x C, float32.
    """
    steps = starts[:, None] + torch.arange(1, tokens.shape[1] + 1, device=tokens.device)  # B x K
    x = model.embed_at(tokens, choices.kind, steps, instruction, conditioning)
    x = model.transformer.step(x, prefix=past, prefix_mask=mask, cache=cache, starts=starts)
    x = model.grounded_at(x, choices.kind, steps, instruction, conditioning)
    return choice_logits(model, choices, x)


def decoder_of(model: SequenceModel | Decoder) -> Decoder:
    """The decoder of a sequence model; any other decoder as it is."""
    return TorchDecoder(model) if isinstance(model, SequenceModel) else model


def choice_logits(model: SequenceModel, choices: TokenRange, states: Tensor) -> Tensor:
    """Logits of a kind's choices only, ... x C, float32, from normed states ... x D."""
    logits = model.head_of(states, choices.ids)
    if choices.ends:
        logits = torch.cat([logits, model.head_of(states, range(END, END + 1))], -1)
    return logits.float()
