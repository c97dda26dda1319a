"""Decoder steps in PyTorch, compiled: one graph for every window, over memory that stays where it is.

CUDA graphs need their inputs at fixed addresses, and a compiled function is compiled anew for what it has not met. So
prefixes are filled up to one length, keys and values are copied into rooms that outlive a decoding, and rows that leave
only stop being asked for.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from instructseq_model.decoding.prefix import DecodingPrefix
from instructseq_model.decoding.token_range import token_range
from instructseq_model.decoding.torch_steps import choice_logits, window_logits
from instructseq_model.errors import ConfigError
from instructseq_model.sequence_model import SequenceConfig, SequenceModel
from instructseq_model.transformer import KeyValues, StaticCache
from instructseq_model.vocabulary import OutputKind

ROOMS_HELD = 4
"""Kept for later decodings; a map of ten samples at the paper's size takes half a gigabyte."""

MOST_GRAPHS = 64
"""Three kinds, each with one and more rows, tokens and instructions. PyTorch compiles eight, and then no more."""

Pass = Callable[..., Tensor]
"""`torch_steps.window_logits`, compiled."""


def check_compiler(device: torch.device) -> None:
    """Refuse to compile where what compiles is missing: before a camera waits for an answer.

    Raises:
        ConfigError: there is no C++ compiler on this machine, or no Triton for its GPU.
    """
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        raise ConfigError("compiling for a GPU needs Triton: pip install triton, or use the backend 'torch'")
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise ConfigError(
            f"compiling needs a C++ compiler, and {compiler!r} is not here: apt install g++, or use 'torch'"
        )


def compiled_pass(device: torch.device) -> Pass:
    """The decoder's pass, compiled when it is first called: with CUDA graphs on a GPU, with C++ on a CPU.

    Sizes are symbols, so that another number of rows or a wider window takes no other graph. Each kind of output is a
    graph of its own, and so are one row, one token and one instruction.
    """
    mode = "reduce-overhead" if device.type == "cuda" else "default"
    compiled: Pass = torch.compile(window_logits, dynamic=True, mode=mode)

    def run(*arguments: Any, **named: Any) -> Tensor:
        with torch._dynamo.config.patch(recompile_limit=MOST_GRAPHS):
            return compiled(*arguments, **named)

    return run


@dataclass(kw_only=True)
class Room:
    """Memory of one decoding, of R instructions and B rows.

    Attributes:
        past: each layer's keys and values of the prefix, R x H x P x d; zeros behind its end.
        mask: R x P, bool, True where the prefix is.
        cache: of B rows.
        user: who decodes in it; dead where nobody does.
    """

    past: list[KeyValues]
    mask: Tensor
    cache: StaticCache
    user: Callable[[], object] = field(default=lambda: None)

    def take(self, prefix: DecodingPrefix) -> None:
        """Copy a prefix in."""
        length = prefix.mask.shape[1]
        for own, given in zip(self.past, prefix.past, strict=True):
            own.keys[:, :, :length] = given.keys
            own.values[:, :, :length] = given.values
        self.mask.fill_(False)
        self.mask[:, :length] = prefix.mask


class CompiledSteps:
    """`DecoderSteps` of a sequence model; see there for the methods.

    Args:
        model: in evaluation mode.
        run: one pass.
        room: taken for this decoding.
        prefix: R instructions.
        kind: what the outputs are.
        samples: N, sequences an instruction.
    """

    def __init__(
        self, model: SequenceModel, run: Pass, room: Room, prefix: DecodingPrefix, kind: OutputKind, *, samples: int
    ) -> None:
        self._model, self._run = model, run
        self._choices = token_range(model.config, kind)
        self._begin, self._conditioning = prefix.begin, prefix.conditioning
        self._past, self._mask, self._cache = room.past, room.mask, room.cache
        instructions = len(prefix.begin)
        self._instruction = torch.arange(instructions, device=prefix.begin.device).repeat_interleave(samples)
        self._held = torch.arange(len(self._instruction), device=prefix.begin.device)
        """B, where in the cache each row lies; the cache may have more rows."""

    @property
    def rows(self) -> int:
        """B, the number of sequences."""
        return len(self._held)

    def first(self) -> Tensor:
        """Logits of step 0: B x C."""
        return choice_logits(self._model, self._choices, self._begin)[self._instruction[self._held]]

    def forward(self, tokens: Tensor, starts: Tensor) -> Tensor:
        """Logits of the steps after each token of the windows: B x K x C."""
        whole = len(self._held) == len(self._instruction)
        if not whole:  # rows that have left are shown anything
            tokens = tokens.new_zeros(len(self._instruction), tokens.shape[1]).index_copy_(0, self._held, tokens)
            starts = starts.new_zeros(len(self._instruction)).index_copy_(0, self._held, starts)
        logits = self._run(
            self._model,
            self._choices,
            tokens,
            starts,
            self._instruction,
            past=self._past,
            mask=self._mask,
            conditioning=self._conditioning,
            cache=self._cache,
        )
        # A CUDA graph writes its next result over this one.
        return logits.clone() if whole else logits[self._held]

    def select(self, rows: Tensor) -> None:
        """Keep, repeat or reorder rows."""
        chosen = self._held[rows]
        if len(rows) < len(self._held) and bool((rows[1:] > rows[:-1]).all()):
            self._held = chosen
        elif len(rows) == len(self._instruction) and torch.equal(self._instruction[chosen], self._instruction):
            self._cache.reorder(chosen)
            self._held = torch.arange(len(rows), device=rows.device)
        else:
            self._rebuild(chosen)

    def _rebuild(self, chosen: Tensor) -> None:
        """Go on in memory of one's own, of another number of rows."""
        remaining, self._instruction = torch.unique_consecutive(self._instruction[chosen], return_inverse=True)
        self._past = [KeyValues(own.keys[remaining], own.values[remaining]) for own in self._past]
        self._mask, self._begin = self._mask[remaining], self._begin[remaining]
        if self._conditioning is not None:
            self._conditioning = self._conditioning.rows(remaining)
        self._cache = self._cache.chosen(chosen)
        self._held = torch.arange(len(chosen), device=chosen.device)


class CompiledDecoder:
    """`Decoder` of a sequence model.

    Args:
        model: in evaluation mode, on its device.
        run: one pass; see `compiled_pass`.
    """

    def __init__(self, model: SequenceModel, run: Pass) -> None:
        self._model, self._run = model, run
        self._rooms: dict[tuple[object, ...], list[Room]] = {}

    @property
    def config(self) -> SequenceConfig:
        """The model's."""
        return self._model.config

    def begin(self, prefix: DecodingPrefix, kind: OutputKind, *, samples: int, length: int) -> CompiledSteps:
        """Make room for R * samples sequences, as long as the kind's longest output."""
        room = self._free_room(prefix, samples, max(length, self.config.output_length(kind) - 1, 1))
        room.take(prefix)
        steps = CompiledSteps(self._model, self._run, room, prefix, kind, samples=samples)
        room.user = weakref.ref(steps)
        return steps

    def _free_room(self, prefix: DecodingPrefix, samples: int, length: int) -> Room:
        dtype = prefix.past[0].keys.dtype
        key = (len(prefix.begin), samples, length, dtype)
        held = self._rooms.pop(key, [])
        self._rooms[key] = held  # the last used come last
        room = next((one for one in held if one.user() is None), None)
        if room is None:
            room = self._new_room(len(prefix.begin), samples, length, dtype)
            held.append(room)
        while sum(map(len, self._rooms.values())) > ROOMS_HELD:
            oldest = next(iter(self._rooms))
            self._rooms[oldest].pop(0)
            if not self._rooms[oldest]:
                del self._rooms[oldest]
        return room

    @torch.inference_mode(False)  # nobody could write into it outside that mode
    def _new_room(self, instructions: int, samples: int, length: int, dtype: torch.dtype) -> Room:
        config, device = self.config, self._model.head.weight.device
        shape = config.transformer
        longest = config.vision_grid**2 + config.max_instruction_tokens + 1
        size = (instructions, shape.heads, longest, shape.width // shape.heads)
        past = [
            KeyValues(*(torch.zeros(size, dtype=dtype, device=device) for _ in range(2))) for _ in range(shape.layers)
        ]
        cache = self._model.static_cache(rows=instructions * samples, length=length, dtype=dtype)
        mask = torch.zeros(instructions, longest, dtype=torch.bool, device=device)
        if device.type == "cuda":
            for held in (mask, cache.keys, cache.values, *(part for layer in past for part in layer)):
                torch._dynamo.mark_static_address(held, guard=False)
        return Room(past=past, mask=mask, cache=cache)
