"""In which number format a model's weights are held: speed and memory against the last digits.

The instruction encoder stays in float32: it runs once an instruction. Weight-only formats hold the transformer's
matrices in 8 or 4 bits and compute in bfloat16 where that is fast; they are torchao's. They save memory traffic, so
they pay where a step reads more than it computes: large models, one token at a time. Parallel decoding computes more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from instructseq_model.errors import ConfigError
from instructseq_model.model import InstructSeq

INT4_GROUP = 32
"""Weights that share a scale and an offset; divides the width of every model here."""


def set_precision(model: InstructSeq, name: str, device: torch.device) -> None:
    """Convert a model that is on its device.

    Args:
        model: in float32; changed in place.
        name: one of `PRECISIONS`.
        device: where it is.

    Raises:
        ConfigError: there is no such precision, or not on this device, or its library is not installed.
    """
    if name not in PRECISIONS:
        raise ConfigError(f"precision {name!r} is none; name one of {', '.join(PRECISIONS)}")
    PRECISIONS[name](model, device)


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 there: on a CPU it needs instructions of its own, or is emulated."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    supported: bool = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.backends.mkldnn.is_available() and supported


def _auto(model: InstructSeq, device: torch.device) -> None:
    """The image encoder in bfloat16 where that is fast; the trained parts as they were trained."""
    if has_fast_bfloat16(device):
        model.vision.to(torch.bfloat16)


def _float32(model: InstructSeq, device: torch.device) -> None:
    """Everything as it was trained."""


def _bfloat16(model: InstructSeq, device: torch.device) -> None:
    """All but the instruction encoder and the router in bfloat16, whether that is fast or not."""
    for part in (model.vision, model.sequence, model.vqvae):
        part.to(torch.bfloat16)


def _int8(model: InstructSeq, device: torch.device) -> None:
    """The transformer's matrices in 8 bits, one scale a row."""
    quantization = _torchao()
    _compute_format(model, device)
    quantization.quantize_(model.sequence.transformer, quantization.Int8WeightOnlyConfig(), filter_fn=_is_matrix)


def _int4(model: InstructSeq, device: torch.device) -> None:
    """The transformer's matrices in 4 bits, one scale and offset a group."""
    if device.type != "cuda":
        raise ConfigError(
            "precision 'int4' needs a CUDA device: torchao has no 4-bit kernels for this one; use 'bfloat16' or 'int8'"
        )
    quantization = _torchao()
    _bfloat16(model, device)
    config = quantization.Int4WeightOnlyConfig(group_size=INT4_GROUP, int4_packing_format="tile_packed_to_4d")
    quantization.quantize_(model.sequence.transformer, config, filter_fn=_is_matrix)


def _compute_format(model: InstructSeq, device: torch.device) -> None:
    if has_fast_bfloat16(device):
        _bfloat16(model, device)


def _is_matrix(module: nn.Module, name: str) -> bool:
    return isinstance(module, nn.Linear)


def _torchao() -> Any:
    """Torchao's quantization module, imported only here: it takes seconds.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        from torchao import quantization
    except ImportError as error:
        raise ConfigError(
            "precisions 'int8' and 'int4' need torchao: pip install 'instructseq[quantization]', or use 'bfloat16'"
        ) from error
    return quantization


PRECISIONS: dict[str, Callable[[InstructSeq, torch.device], None]] = {
    "auto": _auto,
    "float32": _float32,
    "bfloat16": _bfloat16,
    "int8": _int8,
    "int4": _int4,
}
"""Converters by name."""
