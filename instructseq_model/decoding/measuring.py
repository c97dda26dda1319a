"""Measuring ways of decoding against each other: time, passes of the decoder, and tokens that differ."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from instructseq_model.decoding.generate import Draw, Generated
from instructseq_model.decoding.prefix import DecodingPrefix
from instructseq_model.decoding.steps import Decoder
from instructseq_model.decoding.token_range import token_range
from instructseq_model.decoding.torch_steps import decoder_of
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import OutputKind

Way = Callable[[DecodingPrefix], Generated]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One way of decoding some prefixes.

    Attributes:
        seconds: median over prefixes and repeats.
        spread: half the distance between the quartiles, seconds.
        forwards: passes of the decoder, mean over prefixes.
        differing: sequences that are not those of the first way, of `sequences`.
        sequences: how many were drawn of the prefixes.
    """

    seconds: float
    spread: float
    forwards: float
    differing: int
    sequences: int


def compare(ways: Mapping[str, Way], prefixes: Sequence[DecodingPrefix], *, repeats: int = 3) -> dict[str, Measurement]:
    """Run each way on each prefix in turn, so that whatever disturbs the machine disturbs all of them.

    Args:
        ways: by name; the first is what the others are compared with. Each is run once before it is measured.
        prefixes: what to decode, at least one.
        repeats: how often.
    """
    made = {name: [way(prefix) for prefix in prefixes] for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for prefix in prefixes:
            for name, way in ways.items():
                began = time.perf_counter()
                way(prefix)
                _wait(prefix)
                seconds[name].append(time.perf_counter() - began)
    first = made[next(iter(ways))]
    return {
        name: Measurement(
            seconds=statistics.median(seconds[name]),
            spread=_half_quartiles(seconds[name]),
            forwards=statistics.mean(one.forwards for one in own),
            differing=sum(_differing(one, other) for one, other in zip(own, first, strict=True)),
            sequences=sum(len(one.tokens) for one in own),
        )
        for name, own in made.items()
    }


@torch.inference_mode()
def gaps_at_first_difference(
    model: SequenceModel | Decoder, prefix: DecodingPrefix, found: Generated, expected: Generated, draw: Draw
) -> list[tuple[float, float]]:
    """How near the choice was wherever two decodings of the same maps part; nothing where they agree.

    Args:
        model: the sequence model, or another decoder of one.
        prefix: of the maps.
        found: maps.
        expected: the same maps, decoded another way.
        draw: of all rows, without a group.

    Returns:
        For each map that differs, the difference between the scores (logits over temperature, plus noise) of the two
        tokens taken at the first difference, and the largest absolute logit there, whose rounding it is to be compared
        with.
    """
    decoder = decoder_of(model)
    choices = token_range(decoder.config, OutputKind.MAP)
    rows, length = found.tokens.shape
    steps = decoder.begin(prefix, OutputKind.MAP, samples=rows // len(prefix.begin), length=length - 1)
    starts = torch.zeros(rows, dtype=torch.long, device=found.tokens.device)
    logits = torch.cat([steps.first()[:, None], steps.forward(expected.tokens[:, :-1], starts)], 1)
    gaps = []
    for row in range(rows):
        parted = (found.tokens[row] != expected.tokens[row]).nonzero()
        if len(parted) == 0:
            continue
        step = parted[:1, 0]
        score = logits[row, step[0]]
        if draw.sampling.temperature > 0:
            own = draw.rows(torch.tensor([row], device=step.device))
            score = score / draw.sampling.temperature + own.noise(step[None], choices.size)[0, 0]
        one, other = (made.tokens[row, step] - choices.ids.start for made in (found, expected))
        gaps.append((float((score[one] - score[other]).abs()), float(logits[row, step].abs().max())))
    return gaps


def _differing(found: Generated, expected: Generated) -> int:
    return int((found.tokens != expected.tokens).any(1).sum())


def _half_quartiles(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4)
    return (high - low) / 2


def _wait(prefix: DecodingPrefix) -> None:
    """Until the device has done what it was told."""
    if prefix.begin.device.type == "cuda":
        torch.cuda.synchronize(prefix.begin.device)
