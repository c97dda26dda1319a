"""Weights of another size than configured are named, without memory for either."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from instructseq_model.checkpoint_shapes import MOST_LAYERS, check_layers, check_shapes
from instructseq_model.errors import CheckpointError
from instructseq_model.model_config import load_model_config

CONFIG = Path(__file__).parents[2] / "config" / "household.yaml"


def test_weights_that_fit_are_taken() -> None:
    check_shapes(lambda: nn.Linear(3, 2), nn.Linear(3, 2).state_dict(), part="head")


def test_what_differs_is_named_with_both_sizes() -> None:
    weights = {"weight": torch.zeros(2, 4), "extra": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"3 tensors of head.*weight: \(2, 3\) configured, \(2, 4\) there"):
        check_shapes(lambda: nn.Linear(3, 2), weights, part="head")


def test_a_terabyte_is_compared_without_having_it() -> None:
    with pytest.raises(CheckpointError, match=r"1000000, 500000"):
        check_shapes(lambda: nn.Linear(500_000, 1_000_000), {}, part="head")


def test_the_shipped_configuration_has_few_layers() -> None:
    config = load_model_config(CONFIG)
    check_layers(config)
    with pytest.raises(CheckpointError, match=r"transformer\.layers is 1001"):
        check_layers(replace(config, transformer=replace(config.transformer, layers=MOST_LAYERS + 1)))
