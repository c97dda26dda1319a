"""Decoding over exported graphs: `decoding.steps.Decoder` with caches that the graph updates in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from instructseq_model.backends.sessions import Sessions
from instructseq_model.errors import ConfigError
from instructseq_model.export.layout import Layout, cache_names
from instructseq_model.sequence_model import SequenceConfig
from instructseq_model.vocabulary import END, OutputKind


class ExportedPrefix(NamedTuple):
    """One instruction on its image, ready for output tokens.

    Attributes:
        begin: 1 x D, the state at BEGIN.
        past: layers x 2 x 1 x H x P x d, keys and values of image, instruction and BEGIN.
        conditioning: 1 x (cells + 5) x D; None without grounding.
    """

    begin: Tensor
    past: Tensor
    conditioning: Tensor | None


class _Window(NamedTuple):
    """The graph bound to one window size."""

    tokens: Tensor
    places: Tensor
    added: Tensor
    starts: Tensor
    logits: Tensor
    run: Callable[[], None]


class ExportedSteps:
    """`decoding.steps.DecoderSteps`; see there for the methods.

    Args:
        sessions: of the export.
        config: the sequence model's shape.
        prefix: one instruction.
        kind: what the outputs are.
        samples: N, sequences to draw.
        length: most tokens that a row will be shown.
    """

    def __init__(
        self,
        sessions: Sessions,
        config: SequenceConfig,
        prefix: ExportedPrefix,
        kind: OutputKind,
        *,
        samples: int,
        length: int,
    ) -> None:
        self._sessions, self._config, self._prefix, self._kind = sessions, config, prefix, kind
        self._layout = Layout(config)
        shape = config.transformer
        room = (samples, shape.heads, max(length, 1), shape.width // shape.heads)
        names = [name for pair in cache_names(shape.layers) for name in pair]
        self._caches = {name: prefix.past.new_zeros(room) for name in names}  # each N x H x S x d
        self._windows: dict[int, _Window] = {}

    @property
    def rows(self) -> int:
        """The number of sequences."""
        return len(next(iter(self._caches.values())))

    def first(self) -> Tensor:
        """Logits of step 0: N x C."""
        return head_logits(self._sessions, self._kind, self._prefix.begin).expand(self.rows, -1).clone()

    def forward(self, tokens: Tensor, starts: Tensor) -> Tensor:
        """Logits of the steps after each token of the windows: N x K x C."""
        count = tokens.shape[1]
        if count not in self._windows:
            self._windows[count] = self._bind(count)
        window = self._windows[count]
        steps = starts[:, None] + torch.arange(1, count + 1, device=tokens.device)  # N x K
        window.tokens.copy_(tokens)
        window.places.copy_(self._layout.place(self._kind, steps))
        window.added.copy_(self._layout.added(self._kind, steps))
        window.starts.copy_(starts)
        window.run()
        return window.logits.clone().unflatten(0, (self.rows, count))

    def select(self, rows: Tensor) -> None:
        """Keep, repeat or reorder rows."""
        same = len(rows) == self.rows
        for name, cache in self._caches.items():
            chosen = cache[rows]
            if same:
                cache.copy_(chosen)
            else:
                self._caches[name] = chosen
        if not same:
            self._windows.clear()

    def _bind(self, count: int) -> _Window:
        rows, width = self.rows, self._config.transformer.width
        whole = self._prefix.past.new_zeros(rows, count, dtype=torch.long)
        tokens, places, added = (whole.clone() for _ in range(3))
        starts = tokens[:, 0].clone()
        hidden = self._prefix.past.new_zeros(rows, count, width)
        inputs = {"tokens": tokens, "places": places, "starts": starts, "past": self._prefix.past, **self._caches}
        if self._prefix.conditioning is not None:
            inputs |= {"added": added, "conditioning": self._prefix.conditioning}
        outputs = {"hidden": hidden, **{f"new_{name}": cache for name, cache in self._caches.items()}}
        transformer = self._sessions["decoder"].bind(inputs, outputs)
        choices = len(self._config.vocabulary.range_of(self._kind)) + (self._kind is not OutputKind.MAP)
        logits = hidden.new_zeros(rows * count, choices, dtype=torch.float32)
        head = self._sessions[f"head_{self._kind.value}"].bind({"hidden": hidden.flatten(0, 1)}, {"logits": logits})

        def run() -> None:
            transformer()
            head()

        return _Window(tokens, places, added, starts, logits, run)


class ExportedDecoder:
    """`decoding.steps.Decoder` over exported graphs.

    Args:
        sessions: of the export.
        config: the sequence model's shape.
    """

    def __init__(self, sessions: Sessions, config: SequenceConfig) -> None:
        self._sessions, self._config = sessions, config

    @property
    def config(self) -> SequenceConfig:
        """Vocabulary, and how long outputs are."""
        return self._config

    def begin(self, prefix: ExportedPrefix, kind: OutputKind, *, samples: int, length: int) -> ExportedSteps:
        """Make room for `samples` sequences.

        Raises:
            ConfigError: the prefix holds several instructions, or more samples are wanted than the graphs take.
        """
        if prefix.begin.shape[0] != 1:
            raise ConfigError("exported graphs decode one instruction at a time; give them one after the other")
        return ExportedSteps(self._sessions, self._config, prefix, kind, samples=samples, length=length)

    def head(self, begin: Tensor) -> Tensor:
        """Logits of the whole vocabulary, R x V; of special ids only END can follow BEGIN."""
        vocabulary = self._config.vocabulary
        logits = begin.new_full((len(begin), vocabulary.size), float("-inf"), dtype=torch.float32)
        for kind in OutputKind:
            ids, found = vocabulary.range_of(kind), head_logits(self._sessions, kind, begin)
            logits[:, ids.start : ids.stop] = found[:, : len(ids)]
            if found.shape[1] > len(ids):
                logits[:, END] = found[:, -1]
        return logits


def head_logits(sessions: Sessions, kind: OutputKind, hidden: Tensor) -> Tensor:
    """Logits of one kind's choices, R x C float32, of states R x D."""
    return sessions[f"head_{kind.value}"].run({"hidden": hidden})["logits"]
