"""The parts of a model in PyTorch, each as a piece of work, and their times by turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch

from instructseq_bench.measuring import Budget, Candidate, interleave, timed
from instructseq_bench.statistics import spread
from instructseq_model.decoding import DecodingPrefix, TorchDecoder, decoding_prefix
from instructseq_model.instruction import InstructionStates
from instructseq_model.model import InstructSeq
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import OutputKind

SECONDS = 5.0
WINDOWS = ((1, 1), (1, 64), (10, 1), (10, 64))
"""Samples, and tokens of each that a pass of the decoder is shown."""

INSTRUCTION_TOKENS = 16
BEFORE = 100
"""Tokens of each sample that are in the caches already."""

Work = Callable[[], object]


@torch.inference_mode()
def medians(works: Mapping[str, Work]) -> dict[str, float]:
    """Milliseconds of processor time by name, medians of rounds in which all take turns.

    Of all threads together; what other programs take meanwhile does not count.
    """
    candidates = {name: _timed(work) for name, work in works.items()}
    series = interleave(candidates, Budget(seconds=SECONDS, least=5, most=40))
    return {name: 1e3 * spread(values).median for name, values in series.items()}


def told(found: Mapping[str, float]) -> str:
    """Medians in words."""
    return ", ".join(f"{name} {value:.1f}" for name, value in found.items())


def _timed(work: Work) -> Candidate:
    return timed(lambda number: work(), "cpu", clock=time.process_time)


def step_name(samples: int, tokens: int) -> str:
    """Of a pass of the decoder."""
    return f"decoder and head, {samples} x {tokens}"


def torch_works(model: InstructSeq) -> dict[str, Work]:
    """What each part does, by name."""
    config = model.config
    side, grid = config.image_size, config.vqvae.grid
    pixels = torch.rand(1, 3, side, side)
    ids = torch.zeros(1, INSTRUCTION_TOKENS, dtype=torch.long)
    codes = torch.zeros(1, grid, grid, dtype=torch.long)
    with torch.inference_mode():
        image, states = model.read_image(pixels), model.instruction.model(ids)
        read = model.read_instruction(image, InstructionStates(states, torch.tensor([INSTRUCTION_TOKENS])))
        prefix = decoding_prefix(model.sequence, image, read)
    works: dict[str, Work] = {
        "vision encoder": lambda: model.vision(pixels),
        "instruction encoder": lambda: model.instruction.model(ids),
    }
    works |= {step_name(*size): step_work(model.sequence, prefix, *size) for size in WINDOWS}
    return works | {"VQ decoder": lambda: model.vqvae.decode(codes)}


def step_work(model: SequenceModel, prefix: DecodingPrefix, samples: int, tokens: int) -> Work:
    """A pass of the decoder over a window of map tokens.

    Args:
        model: of the maps.
        prefix: of one instruction.
        samples: N.
        tokens: K of each, at most as many as a map has to show.
    """
    length = model.config.output_length(OutputKind.MAP)
    tokens = min(tokens, length - 1)
    begin = torch.full((samples,), min(BEFORE, length - 1 - tokens))
    steps = TorchDecoder(model).begin(prefix, OutputKind.MAP, samples=samples, length=length)
    shown = torch.full((samples, tokens), model.config.vocabulary.visual_range.start)
    return lambda: steps.forward(shown, begin)
