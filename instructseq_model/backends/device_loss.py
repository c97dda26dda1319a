"""Telling a device that is gone from other failures: the boundary between the Perceiver and what runs the model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from instructseq_model.errors import DeviceLostError

# What PyTorch, cuBLAS, cuDNN, ONNX Runtime and TensorRT write when a card stops answering or its context is destroyed.
# Memory that runs out is not among them: the device lives, and less work fits.
_SIGNS = re.compile(
    r"CUDA error|CUDA failure|CUDNN_STATUS_(?!ALLOC_FAILED)|CUBLAS_STATUS_(?!ALLOC_FAILED)|device (is )?lost|"
    r"fallen off the bus|no CUDA-capable device|NVML.*lost",
    re.IGNORECASE,
)
_NOT_SIGNS = re.compile(r"out of memory", re.IGNORECASE)


@contextmanager
def device_losses(device: object) -> Iterator[None]:
    """Raise `DeviceLostError` for errors of the libraries that mean just this; others pass.

    Args:
        device: its name, for the message.
    """
    try:
        yield
    except (RuntimeError, OSError) as error:
        words = str(error)
        if not _SIGNS.search(words) or _NOT_SIGNS.search(words):
            raise
        first = words.strip().splitlines()[0]
        raise DeviceLostError(
            f"the device {device} was lost ({first}): load the model again, on another device if it does not come back"
        ) from error
