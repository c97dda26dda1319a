"""Where a model can run on this machine."""

from __future__ import annotations

import torch

from instructseq_model.errors import ConfigError


def device_named(name: str) -> torch.device:
    """The device of that name.

    Raises:
        ConfigError: there is none such here; the message says what there is.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device {name!r} is none; name 'cpu' or 'cuda'") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {name!r} is not supported; name 'cpu' or 'cuda'")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device 'cuda' is wanted, but torch sees no CUDA device here; use 'cpu' or install a driver")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {name!r} is wanted, but there are {torch.cuda.device_count()}; count from cuda:0")
    return device


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 there: on a CPU it needs instructions of its own, or is emulated."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    supported: bool = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.backends.mkldnn.is_available() and supported
