"""Decoding maps as fast as this machine can: windows by measurement, drafts from the frame before."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from instructseq_model.decoding.drafts import UNKNOWN, Drafter, PreviousDraft, StaleDraft
from instructseq_model.decoding.generate import Generated, Meanings, Progress
from instructseq_model.decoding.parallel import generate_maps
from instructseq_model.decoding.prefix import Prefix
from instructseq_model.decoding.sampling import Sampling
from instructseq_model.decoding.steps import Decoder
from instructseq_model.decoding.streams import Stream, StreamMemory
from instructseq_model.decoding.torch_steps import decoder_of
from instructseq_model.decoding.underway import Look, Observe
from instructseq_model.decoding.windows import WindowChooser
from instructseq_model.errors import ConfigError
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import OutputKind


class MapDecoder:
    """Draws maps by `generate_maps`, and learns from each how to draw the next faster.

    Args:
        window: tokens a pass checks; None chooses by measurement.

    Raises:
        ConfigError: `window` is less than 1.
    """

    def __init__(self, *, window: int | None = None) -> None:
        if window is not None and window < 1:
            raise ConfigError(f"window must be at least 1, or None for the fastest, got {window}")
        self._window = window
        self._chooser = WindowChooser()
        self.streams = StreamMemory()

    def __call__(
        self,
        model: SequenceModel | Decoder,
        prefix: Prefix,
        *,
        sampling: Sampling,
        samples: int,
        seed: int,
        streams: Sequence[Stream | None],
        meanings: Meanings | None = None,
        progress: Progress | None = None,
        observe: Observe | None = None,
    ) -> Generated:
        """Draw `samples` maps for each of R instructions.

        Args:
            model: the sequence model, or another decoder of one.
            prefix: R instructions.
            sampling: temperature, top-k, top-p.
            samples: maps per instruction, N.
            seed: of the noise.
            streams: R, the stream each instruction belongs to; None for single frames.
            meanings: of the codes; None where each means something else.
            progress: told after every pass; an exception it raises ends the decoding.
            observe: shown the maps after every pass but the last.
        """
        decoder = decoder_of(model)
        recalled = [None if stream is None else self.streams.recall(stream) for stream in streams]
        drafter, kind = _drafter(decoder, recalled, samples)
        key = (str(prefix.begin.device), prefix.begin.dtype, len(streams) * samples, kind)
        window = self._window or self._chooser.choose(key)
        watch = None if observe is None else _Timed(observe)
        began = time.perf_counter()
        made = generate_maps(
            decoder,
            prefix,
            sampling=sampling,
            samples=samples,
            seed=seed,
            meanings=meanings,
            window=window,
            drafter=drafter,
            progress=progress,
            observe=watch,
        )
        watched = 0.0 if watch is None else watch.seconds
        self._chooser.record(key, window, time.perf_counter() - began - watched)
        choices = made.tokens - decoder.config.vocabulary.visual_range.start
        for stream, own, last in zip(streams, choices.split(samples), recalled, strict=True):
            if stream is not None:
                self.streams.keep(stream, own, forwards=made.forwards, drafted=last is not None)
        return made


class _Timed:
    """Observes, and keeps how long that took: it says nothing about windows."""

    def __init__(self, observe: Observe) -> None:
        self._observe = observe
        self.seconds = 0.0

    def __call__(self, look: Look) -> None:
        began = time.perf_counter()
        self._observe(look)
        self.seconds += time.perf_counter() - began


def _drafter(decoder: Decoder, recalled: Sequence[Tensor | None], samples: int) -> tuple[Drafter, str]:
    """The drafter of R instructions, and what kind it is, from the choices N x T of the frame before of each."""
    if all(choices is None for choices in recalled):
        return StaleDraft(), "single"
    unknown = torch.full((samples, decoder.config.output_length(OutputKind.MAP)), UNKNOWN)
    held: list[Tensor] = [unknown if choices is None else choices.to(unknown.device) for choices in recalled]
    return PreviousDraft(torch.cat(held)), "stream"
