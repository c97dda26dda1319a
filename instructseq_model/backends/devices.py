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
