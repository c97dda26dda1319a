"""Decoding requests that share a batch: several instructions on a frame, several cameras."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from instructseq_model.decoding.beam import Beam, beam_searches
from instructseq_model.decoding.generate import Generated, Meanings, generate
from instructseq_model.decoding.map_decoder import MapDecoder
from instructseq_model.decoding.sampling import Sampling
from instructseq_model.decoding.underway import Observe
from instructseq_model.label_sets import LabelSet, label_set
from instructseq_model.reading import MARK_THRESHOLD, Request
from instructseq_model.runnable_model import CodeMeanings, Handle, RunnableModel
from instructseq_model.vocabulary import OutputKind

BEAM_SIZE = 6

Steps = Callable[[int, int], None]
"""Called with (steps done, steps at most)."""


def decode_tokens(
    model: RunnableModel,
    prefix: Handle,
    requests: Sequence[Request],
    maps: MapDecoder,
    progress: Steps | None,
    observe: Observe | None = None,
) -> list[Generated]:
    """The samples of maps or boxes, for each request.

    Args:
        model: whose tokens they are.
        prefix: of the R requests' instructions.
        requests: of one batch.
        maps: decodes maps.
        progress: told after every step; an exception it raises ends the decoding.
        observe: shown the sequences after every step but the last.
    """
    first = requests[0]
    sampling = Sampling(temperature=first.temperature)
    samples, seed = first.samples, first.seed
    if first.kind is OutputKind.MAP:
        streams = [request.stream for request in requests]
        made = maps(
            model.decoder,
            prefix,
            sampling=sampling,
            samples=samples,
            seed=seed,
            streams=streams,
            meanings=meanings_of_codes(model, first.label_set),
            progress=progress,
            observe=observe,
        )
    else:
        made = generate(
            model.decoder,
            prefix,
            first.kind,
            sampling=sampling,
            samples=samples,
            seed=seed,
            progress=progress,
            observe=observe,
        )
    return [_rows(made, slice(row, row + samples)) for row in range(0, len(made.tokens), samples)]


def meanings_of_codes(codes: CodeMeanings, classes: LabelSet | None) -> Meanings:
    """What the codes of a map mean: its classes, or marked and not where `classes` is None."""
    if classes is None:
        return Meanings.marked(codes.marked_codes, threshold=MARK_THRESHOLD)
    return Meanings(labels=codes.code_classes(classes))


def prepare_meanings(model: RunnableModel) -> None:
    """Find out now what the codes mean in every label set, so that no request has to wait for it."""
    for classes in (None, *map(label_set, model.config.label_sets)):
        meanings_of_codes(model, classes)


def decode_texts(
    model: RunnableModel, prefix: Handle, progress: Steps | None, observe: Observe | None = None
) -> list[Beam]:
    """The best text of each instruction, by beam search (paper, section 4.1); samples and temperature do not matter."""
    found = beam_searches(model.decoder, prefix, size=BEAM_SIZE, progress=progress, observe=observe)
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
