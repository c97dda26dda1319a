"""Where a model can run on this machine."""

from __future__ import annotations

import torch

from instructseq_model.errors import ConfigError

OLDEST_TORCH = (2, 6)


def check_torch(version: str) -> None:
    """Refuse a PyTorch that is too old. Installing this package asks for none, so that it replaces none that is there.

    Args:
        version: as `torch.__version__` says it.

    Raises:
        ConfigError: it is older than `OLDEST_TORCH`.
    """
    found = tuple(int(part) for part in version.split(".")[:2])
    if found < OLDEST_TORCH:
        raise ConfigError(
            f"PyTorch {version} is too old, {OLDEST_TORCH[0]}.{OLDEST_TORCH[1]} or newer is needed: install one that "
            "fits this machine (docs/workstation.md, docs/jetson.md)"
        )


def device_named(name: str) -> torch.device:
    """The device of that name.

    Raises:
        ConfigError: there is none such here, or PyTorch is too old; the message says what there is.
    """
    check_torch(torch.__version__)
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
