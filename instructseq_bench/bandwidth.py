"""How fast this machine reads memory, which bounds how fast a decoder can step: every step reads every weight."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from instructseq_bench.measuring import Candidate, timed
from instructseq_model.sequence_model import SequenceConfig
from instructseq_model.vocabulary import OutputKind

GIGA = 1e9
COPIED_BYTES = 1 << 30


def bandwidth(device: str, dtype: torch.dtype, *, width: int, size: int) -> Candidate:
    """Measures GB/s: on a CPU matrix-vector products like those of a step, on a GPU a copy on the device.

    Args:
        device: cpu, cuda or cuda:N.
        dtype: of the matrices.
        width: of a layer; the matrices are 4 width x width, as a layer's largest.
        size: bytes of all matrices together, more than the caches hold.
    """
    if device.startswith("cuda"):
        source = torch.empty(COPIED_BYTES, dtype=torch.uint8, device=device)
        target = torch.empty_like(source)
        copy = timed(lambda _: target.copy_(source), device)
        return lambda number: 2 * COPIED_BYTES / GIGA / copy(number)
    one = 4 * width * width * dtype.itemsize
    matrices = [torch.randn(4 * width, width).to(dtype) for _ in range(max(1, size // one))]
    vector = torch.randn(1, width).to(dtype)

    def multiply(number: int) -> None:
        for matrix in matrices:
            F.linear(vector, matrix)

    multiplied = timed(multiply, device)

    def measure(number: int) -> float:
        multiply(number)  # a step, too, meets the weights where the step before left them: large caches hold them
        return len(matrices) * one / GIGA / multiplied(number)

    return measure


def bytes_a_step(
    config: SequenceConfig, *, prefix: int, samples: int, tokens: float, itemsize: int, copies: int = 1
) -> float:
    """What a step of token-by-token decoding of maps must read: layers, head, prefix and own tokens.

    Args:
        config: of the model.
        prefix: tokens of image, instruction and BEGIN.
        samples: sequences decoded together.
        tokens: that a sequence has on average.
        itemsize: bytes of a number.
        copies: how often the prefix is held: once, or once a sample.
    """
    layers, width = config.transformer.layers, config.transformer.width
    weights = 12 * layers * width**2 + width * len(config.vocabulary.range_of(OutputKind.MAP))
    held = 2 * layers * width * (copies * prefix + samples * tokens)
    return float(itemsize * (weights + held))
