"""Drawing the same maps in several ways, and keeping what each way gave: tokens, passes, seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Tensor

from instructseq_bench.measuring import Candidate, timed
from instructseq_bench.prompting import MapDrawing
from instructseq_model.decoding import DecodingPrefix, Generated, generate, generate_maps
from instructseq_model.decoding.drafts import DRAFTS, Drafter, PreviousDraft
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import OutputKind

TOKEN_BY_TOKEN = "token by token"
PREVIOUS = "previous"


class MapRuns:
    """Maps of a row of frames.

    Args:
        model: of the maps.
        prefixes: one a frame, of one instruction each.
        drawing: how the maps are drawn.
        device: where.
    """

    def __init__(
        self, model: SequenceModel, prefixes: Sequence[DecodingPrefix], drawing: MapDrawing, device: str
    ) -> None:
        self._model, self._prefixes, self._drawing, self._device = model, prefixes, drawing, device
        self._made: dict[str, dict[int, Generated]] = defaultdict(dict)  # by way, then by round

    def token_by_token(self) -> Candidate:
        """The way that all others must agree with."""
        how = self._drawing

        def draw(prefix: DecodingPrefix, number: int) -> Generated:
            return generate(
                self._model,
                prefix,
                OutputKind.MAP,
                sampling=how.sampling,
                samples=how.samples,
                meanings=how.meanings,
            )

        return self._candidate(TOKEN_BY_TOKEN, draw)

    def draft(self, name: str, window: int) -> Candidate:
        """In parallel.

        Args:
            name: of `DRAFTS`, or `PREVIOUS` for the map of the frame before.
            window: tokens a pass checks.
        """
        how = self._drawing

        def draw(prefix: DecodingPrefix, number: int) -> Generated:
            return generate_maps(
                self._model,
                prefix,
                sampling=how.sampling,
                samples=how.samples,
                meanings=how.meanings,
                window=window,
                drafter=self._drafter(name, way_name(name, window), number),
            )

        return self._candidate(way_name(name, window), draw)

    def passes(self, way: str, *, first: int) -> list[float]:
        """Passes of the decoder of each round from `first` on."""
        return [float(made.forwards) for number, made in sorted(self._made[way].items()) if number >= first]

    def codes(self) -> float:
        """How many different codes a map has, in the middle: one of a single code is easily guessed."""
        maps = [row for made in self._made[TOKEN_BY_TOKEN].values() for row in made.tokens]
        return float(median(len(row.unique()) for row in maps))

    def exact(self, way: str) -> bool:
        """Whether a way gave the tokens of token-by-token decoding in every round."""
        true = self._made[TOKEN_BY_TOKEN]
        return all(torch.equal(made.tokens, true[number].tokens) for number, made in self._made[way].items())

    def _candidate(self, way: str, draw: Callable[[DecodingPrefix, int], Generated]) -> Candidate:
        def work(number: int) -> None:
            self._made[way][number] = draw(self._prefixes[number % len(self._prefixes)], number)

        return timed(work, self._device)

    def _drafter(self, name: str, way: str, number: int) -> Drafter:
        if name != PREVIOUS:
            return DRAFTS[name]()
        before = self._made[way].get(number - 1)
        return DRAFTS["stale"]() if before is None else PreviousDraft(self._choices(before.tokens))

    def _choices(self, tokens: Tensor) -> Tensor:
        return tokens - self._model.config.vocabulary.visual_range.start


def way_name(draft: str, window: int) -> str:
    """Of a draft with a window."""
    return f"{draft} {window}"
