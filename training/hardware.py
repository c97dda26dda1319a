"""What devices can do: peak FLOP/s of named GPUs, and the measured peak of any other device."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from instructseq_model.errors import ConfigError
from instructseq_model.precision import has_fast_bfloat16


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU, by its vendor's data sheet.

    Attributes:
        flops: bf16 operations a second with float32 sums, dense, at boost clock.
        memory: bytes.
    """

    flops: float
    memory: float


GPUS: dict[str, Gpu] = {
    "A10": Gpu(flops=125e12, memory=24e9),
    "A100": Gpu(flops=312e12, memory=80e9),
    "A100-40GB": Gpu(flops=312e12, memory=40e9),
    "H100": Gpu(flops=989e12, memory=80e9),
    "H100 PCIe": Gpu(flops=756e12, memory=80e9),
    "H200": Gpu(flops=989e12, memory=141e9),
    "B200": Gpu(flops=2250e12, memory=180e9),
    "L4": Gpu(flops=121e12, memory=24e9),
    "L40S": Gpu(flops=362e12, memory=48e9),
    "RTX 3090": Gpu(flops=71e12, memory=24e9),
    "RTX 4090": Gpu(flops=165e12, memory=24e9),
    "RTX 6000 Ada": Gpu(flops=364e12, memory=48e9),
    "AGX Orin": Gpu(flops=42e12, memory=64e9),  # half of the sparse rate in its data sheet; shared memory
}


def gpu_named(name: str) -> Gpu:
    """The GPU of that name, in capitals or not, with or without spaces.

    Raises:
        ConfigError: it is not in the table.
    """
    for known, gpu in GPUS.items():
        if _plain(known) == _plain(name):
            return gpu
    raise ConfigError(f"there are no data for a GPU {name!r}; known are {', '.join(GPUS)}")


def gpu_of_device(device_name: str) -> Gpu | None:
    """The GPU that a driver calls by a name such as "NVIDIA A100-SXM4-40GB"; None where the table has none."""
    words = set(device_name.lower().replace("-", " ").split())
    for known in sorted(GPUS, key=lambda known: -len(known)):  # "H100 PCIe" before "H100"
        if set(known.lower().replace("-", " ").split()) <= words:
            return GPUS[known]
    return None


def peak_flops(device: torch.device) -> float:
    """Operations a second that a device can do: in bf16 by the table, or measured in the faster type."""
    if device.type == "cuda":
        gpu = gpu_of_device(torch.cuda.get_device_name(device))
        if gpu is not None:
            return gpu.flops
    return measured_flops(device)


def measured_flops(device: torch.device, *, size: int = 1024, repeats: int = 5) -> float:
    """The best rate of a square matrix product among a few, in operations a second, in the faster of the two types.

    Args:
        device: where.
        size: rows and columns.
        repeats: how many.
    """
    left, right = (torch.randn(size, size, device=device, dtype=frozen_type(device)) for _ in range(2))
    best = float("inf")
    for _ in range(repeats + 1):  # the first one warms up
        began = time.perf_counter()
        product = left @ right
        float(product[0, 0])  # waits for the device
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def autocast(device: torch.device, precision: str = "auto") -> torch.autocast:
    """What to compute under: bf16, or nothing.

    Args:
        device: where.
        precision: "bf16", "fp32", or "auto": bf16 where it is faster, as it is not on a CPU that has to emulate it.
    """
    low = precision == "bf16" or (precision == "auto" and has_fast_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=low)


def frozen_type(device: torch.device) -> torch.dtype:
    """The type in which a frozen image encoder is fastest there."""
    return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32


def _plain(name: str) -> str:
    return name.lower().replace(" ", "").replace("-", "")
