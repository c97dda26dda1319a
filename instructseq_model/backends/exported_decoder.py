"""Decoding over exported graphs: `decoding.steps.Decoder` with caches that the graph updates in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from instructseq_model.backends.sessions import Sessions
from instructseq_model.errors import ConfigError
from instructseq_model.export.layout import MOST_ROWS, Layout, cache_names
from instructseq_model.sequence_model import SequenceConfig
from instructseq_model.vocabulary import END, OutputKind


class InstructionRead(NamedTuple):
    """One instruction on its image.

    Attributes:
        past: layers x 2 x 1 x H x P x d, keys and values of image, instruction and BEGIN.
        conditioning: 1 x (cells + 5) x D; None without grounding.
    """

    past: Tensor
    conditioning: Tensor | None


class ExportedPrefix(NamedTuple):
    """R instructions on one image each, ready for output tokens.

    Attributes:
        begin: R x D, the state at BEGIN.
        read: R, of lengths of their own.
        pointed: R x S x S, the grounding's logits; None without grounding.
        classes: R x P x S*S x C, its class logits; None where it tells no classes.
    """

    begin: Tensor
    read: tuple[InstructionRead, ...]
    pointed: Tensor | None
    classes: Tensor | None


class _Window(NamedTuple):
    """The graph bound to one window size."""

    tokens: Tensor
    places: Tensor
    added: Tensor
    starts: Tensor
    logits: Tensor
    run: Callable[[], None]


class InstructionSteps:
    """`decoding.steps.DecoderSteps` of one instruction; see there for the methods.

    Args:
        sessions: of the export.
        config: the sequence model's shape.
        prefix: one instruction.
        kind: what the outputs are.
        samples: N, sequences to draw.
        room: tokens that its caches hold.
    """

    def __init__(
        self,
        sessions: Sessions,
        config: SequenceConfig,
        prefix: ExportedPrefix,
        kind: OutputKind,
        *,
        samples: int,
        room: int,
    ) -> None:
        self._sessions, self._config, self._kind = sessions, config, kind
        self._begin, (self._read,) = prefix.begin, prefix.read
        self._layout = Layout(config)
        shape = config.transformer
        size = (samples, shape.heads, room, shape.width // shape.heads)
        names = [name for pair in cache_names(shape.layers) for name in pair]
        self._caches = {name: self._read.past.new_zeros(size) for name in names}  # each N x H x S x d
        self._windows: dict[int, _Window] = {}

    @property
    def rows(self) -> int:
        """The number of sequences."""
        return len(next(iter(self._caches.values())))

    def first(self) -> Tensor:
        """Logits of step 0: N x C."""
        return head_logits(self._sessions, self._kind, self._begin).expand(self.rows, -1).clone()

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
        whole = self._read.past.new_zeros(rows, count, dtype=torch.long)
        tokens, places, added = (whole.clone() for _ in range(3))
        starts = tokens[:, 0].clone()
        hidden = self._read.past.new_zeros(rows, count, width)
        inputs = {"tokens": tokens, "places": places, "starts": starts, "past": self._read.past, **self._caches}
        if self._read.conditioning is not None:
            inputs |= {"added": added, "conditioning": self._read.conditioning}
        outputs = {"hidden": hidden, **{f"new_{name}": cache for name, cache in self._caches.items()}}
        transformer = self._sessions["decoder"].bind(inputs, outputs)
        choices = len(self._config.vocabulary.range_of(self._kind)) + (self._kind is not OutputKind.MAP)
        logits = hidden.new_zeros(rows * count, choices, dtype=torch.float32)
        head = self._sessions[f"head_{self._kind.value}"].bind({"hidden": hidden.flatten(0, 1)}, {"logits": logits})

        def run() -> None:
            transformer()
            head()

        return _Window(tokens, places, added, starts, logits, run)


class ExportedSteps:
    """`decoding.steps.DecoderSteps` of R instructions, whose windows go through the graphs one instruction at a time.

    Args:
        parts: R, of equally many rows each.
    """

    def __init__(self, parts: Sequence[InstructionSteps]) -> None:
        self._parts = list(parts)

    @property
    def rows(self) -> int:
        """The number of sequences."""
        return sum(part.rows for part in self._parts)

    def first(self) -> Tensor:
        """Logits of step 0: B x C."""
        return torch.cat([part.first() for part in self._parts])

    def forward(self, tokens: Tensor, starts: Tensor) -> Tensor:
        """Logits of the steps after each token of the windows: B x K x C."""
        share = self._parts[0].rows
        windows = zip(self._parts, tokens.split(share), starts.split(share), strict=True)
        return torch.cat([part.forward(*window) for part, *window in windows])

    def select(self, rows: Tensor) -> None:
        """Keep, repeat or reorder rows."""
        share = self._parts[0].rows
        staying = []
        for number, part in enumerate(self._parts):
            own = rows[rows // share == number]
            if len(own):
                part.select(own - number * share)
                staying.append(part)
        self._parts = staying


class ExportedDecoder:
    """`decoding.steps.Decoder` over exported graphs.

    Args:
        sessions: of the export.
        config: the sequence model's shape.
        room: tokens that the graph's caches hold; None where that varies.
    """

    def __init__(self, sessions: Sessions, config: SequenceConfig, *, room: int | None = None) -> None:
        self._sessions, self._config, self._room = sessions, config, room

    @property
    def config(self) -> SequenceConfig:
        """Vocabulary, and how long outputs are."""
        return self._config

    def begin(self, prefix: ExportedPrefix, kind: OutputKind, *, samples: int, length: int) -> ExportedSteps:
        """Make room for R * samples sequences.

        Raises:
            ConfigError: more samples are wanted than the graphs take.
        """
        if samples > MOST_ROWS:
            raise ConfigError(f"exported graphs take at most {MOST_ROWS} samples, got {samples}; ask for fewer")
        return ExportedSteps(
            [
                InstructionSteps(
                    self._sessions,
                    self._config,
                    ExportedPrefix(prefix.begin[row : row + 1], (read,), None, None),
                    kind,
                    samples=samples,
                    room=self._room or max(length, 1),
                )
                for row, read in enumerate(prefix.read)
            ]
        )

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
