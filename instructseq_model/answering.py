"""Decoding requests that share a batch: several instructions on a frame, several cameras."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from instructseq_model.decoding.beam import Beam, beam_searches
from instructseq_model.decoding.generate import Generated, Group, generate
from instructseq_model.decoding.map_decoder import MapDecoder
from instructseq_model.decoding.prefix import DecodingPrefix
from instructseq_model.decoding.sampling import Sampling
from instructseq_model.model import InstructSeq
from instructseq_model.perception import Task
from instructseq_model.reading import MARK_THRESHOLD, Request
from instructseq_model.vocabulary import OutputKind

BEAM_SIZE = 6

Steps = Callable[[int, int], None]
"""Called with (steps done, steps at most)."""


def decode_tokens(
    model: InstructSeq, prefix: DecodingPrefix, requests: Sequence[Request], maps: MapDecoder, progress: Steps | None
) -> list[Generated]:
    """The samples of maps or boxes, for each request.

    Args:
        model: whose tokens they are.
        prefix: of the R requests' instructions.
        requests: of one batch.
        maps: decodes maps.
        progress: told after every step; an exception it raises ends the decoding.
    """
    first = requests[0]
    sampling = Sampling(temperature=first.temperature)
    samples, seed = first.samples, first.seed
    if first.kind is OutputKind.MAP:
        group = None
        if first.task is Task.SEGMENTATION:
            group = Group(members=model.marked_codes, threshold=MARK_THRESHOLD)
        streams = [request.stream for request in requests]
        made = maps(
            model.sequence,
            prefix,
            sampling=sampling,
            samples=samples,
            seed=seed,
            streams=streams,
            group=group,
            progress=progress,
        )
    else:
        made = generate(
            model.sequence, prefix, first.kind, sampling=sampling, samples=samples, seed=seed, progress=progress
        )
    return [_rows(made, slice(row, row + samples)) for row in range(0, len(made.tokens), samples)]


def decode_texts(model: InstructSeq, prefix: DecodingPrefix, progress: Steps | None) -> list[Beam]:
    """The best text of each instruction, by beam search (paper, section 4.1); samples and temperature do not matter."""
    found = beam_searches(model.sequence, prefix, size=BEAM_SIZE, progress=progress)
    return [beams[0] for beams in found]


def _rows(made: Generated, chosen: slice) -> Generated:
    """Some of the sequences, without the columns that only others need."""
    lengths = made.lengths[chosen]
    longest = min(int(lengths.max()) + 1, made.tokens.shape[1])  # END stands behind the last token
    return Generated(
        tokens=made.tokens[chosen, :longest],
        probabilities=made.probabilities[chosen, :longest],
        lengths=lengths,
        forwards=made.forwards,
    )
