"""Products on PyTorch's threads."""

from __future__ import annotations

import numpy as np
import torch

from instructseq_model.products import product


def test_they_are_numpys_whatever_the_number_type_and_layout() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (500, 3), dtype=np.uint8)
    colours = rng.integers(0, 256, (7, 3)).astype(np.float32)
    assert np.array_equal(product(pixels, colours.T), pixels.astype(np.float64) @ colours.T.astype(np.float64))


def test_whole_numbers_stay_exact_under_autocast() -> None:
    left = np.array([[255, 254, 253]])
    with torch.autocast("cpu", torch.bfloat16):
        assert product(left, left.T).tolist() == [[255**2 + 254**2 + 253**2]]
