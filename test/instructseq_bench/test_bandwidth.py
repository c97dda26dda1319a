"""What a step must read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from instructseq_bench.bandwidth import bandwidth, bytes_a_step
from instructseq_model.model_config import load_model_config

CONFIG = Path(__file__).resolve().parents[2] / "config"


def test_a_step_of_the_papers_model_reads_layers_head_and_prefix() -> None:
    config = load_model_config(CONFIG / "large.yaml").sequence
    without = bytes_a_step(config, prefix=0, samples=1, tokens=0, itemsize=2)
    assert without == pytest.approx(302e6 + 33.6e6, rel=1e-3)
    shared = bytes_a_step(config, prefix=1056, samples=10, tokens=0, itemsize=2) - without
    assert shared == pytest.approx(52e6, rel=0.01)
    copied = bytes_a_step(config, prefix=1056, samples=10, tokens=0, itemsize=2, copies=10) - without
    assert copied == pytest.approx(519e6, rel=0.01)


def test_own_tokens_are_read_for_every_sample() -> None:
    config = load_model_config(CONFIG / "large.yaml").sequence
    sizes = [bytes_a_step(config, prefix=0, samples=n, tokens=100, itemsize=2) for n in (1, 2, 3)]
    assert sizes[2] - sizes[1] == sizes[1] - sizes[0] == 2 * 2 * 12 * 1024 * 100


def test_bandwidth_of_a_cpu_is_bytes_over_seconds() -> None:
    measure = bandwidth("cpu", torch.float32, width=64, size=1 << 20)
    assert 0.01 < max(measure(number) for number in range(20)) < 10_000
