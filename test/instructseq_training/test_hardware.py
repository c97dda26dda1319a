"""GPUs by the names that people and drivers give them."""

from __future__ import annotations

import pytest
import torch

from instructseq_model.errors import ConfigError
from instructseq_training.hardware import GPUS, gpu_named, gpu_of_device, measured_flops


@pytest.mark.parametrize(
    ("device", "known"),
    [
        ("NVIDIA A100-SXM4-40GB", "A100-40GB"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
    ],
)
def test_a_drivers_name_leads_to_the_gpu(device: str, known: str) -> None:
    assert gpu_of_device(device) is GPUS[known]


@pytest.mark.parametrize("device", ["NVIDIA A10G", "NVIDIA GeForce GTX 1080", "Orin"])
def test_a_gpu_that_is_not_in_the_table_is_not_taken_for_another(device: str) -> None:
    assert gpu_of_device(device) is None


def test_names_may_be_written_carelessly() -> None:
    assert gpu_named("rtx4090") is GPUS["RTX 4090"]
    with pytest.raises(ConfigError, match="H200"):
        gpu_named("H1000")


def test_the_measured_peak_is_that_of_the_fastest_product() -> None:
    rate = measured_flops(torch.device("cpu"), size=128, repeats=2)
    assert 1e6 < rate < 1e15
