"""Which failures of the libraries mean that a device is gone."""

from __future__ import annotations

import pytest
import torch

from instructseq_model.backends.device_loss import device_losses
from instructseq_model.errors import DeviceLostError


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("CUBLAS_STATUS_INTERNAL_ERROR when calling cublasSgemm"),
        RuntimeError("[ONNXRuntimeError] : 1 : FAIL : CUDA failure 719: unspecified launch failure"),
        OSError("GPU has fallen off the bus"),
    ],
)
def test_a_device_that_is_gone_is_named_with_its_first_line(error: Exception) -> None:
    with pytest.raises(DeviceLostError) as raised, device_losses("cuda:1"):
        raise error
    assert "the device cuda:1 was lost" in str(raised.value)
    assert str(error).splitlines()[0] in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        InterruptedError("stop"),
    ],
)
def test_other_failures_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, device_losses("cuda:1"):
        raise error
    assert raised.value is error
