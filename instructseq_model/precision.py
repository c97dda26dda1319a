"""In which number format a model's weights are held: speed and memory against the last digits.

The instruction encoder stays in float32: it runs once an instruction. Weight-only formats hold the transformer's
matrices in 8 or 4 bits and compute in bfloat16 where that is fast: torchao's on GPUs, PyTorch's own kernels on CPUs
(`weight_formats`). They save memory traffic, so they pay where a step reads more than it computes: large models, one
token at a time. Parallel decoding computes more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from instructseq_model.errors import ConfigError
from instructseq_model.model import InstructSeq
from instructseq_model.weight_formats import INT4_GROUP, Int4Linear, Int8Linear

CPU_FORMATS: dict[str, Callable[[nn.Linear], nn.Module]] = {"int8": Int8Linear, "int4": Int4Linear}
"""Layers of few bits by the name of their precision."""


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
    if device.type == "cpu":
        _hold_on_cpu(model, device, "int8")
        return
    quantization = _torchao()
    if has_fast_bfloat16(device):
        _bfloat16(model, device)
    config = quantization.Int8WeightOnlyConfig(set_inductor_config=False)
    quantization.quantize_(model.sequence.transformer, config, filter_fn=_is_matrix)


def _int4(model: InstructSeq, device: torch.device) -> None:
    """The transformer's matrices in 4 bits, one scale and offset a group."""
    if device.type == "cpu":
        _hold_on_cpu(model, device, "int4")
        return
    quantization = _torchao()
    _bfloat16(model, device)
    config = quantization.Int4WeightOnlyConfig(
        group_size=INT4_GROUP, int4_packing_format="tile_packed_to_4d", set_inductor_config=False
    )
    quantization.quantize_(model.sequence.transformer, config, filter_fn=_is_matrix)


def _hold_on_cpu(model: InstructSeq, device: torch.device, name: str) -> None:
    """Round the matrices as they were trained, and compute with all the rest in bfloat16 where that is fast."""
    hold_matrices(model.sequence.transformer, name)
    if has_fast_bfloat16(device):
        _bfloat16(model, device)


def hold_matrices(part: nn.Module, name: str) -> None:
    """Put a layer of few bits in the place of each linear one; on a CPU.

    Args:
        part: changed in place.
        name: one of `CPU_FORMATS`.
    """
    for module in list(part.modules()):
        for place, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, place, CPU_FORMATS[name](child))


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
            "precisions 'int8' and 'int4' need torchao on a GPU: pip install 'instructseq[quantization]', or use "
            "'bfloat16'"
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
