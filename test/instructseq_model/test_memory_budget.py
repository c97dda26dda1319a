from dataclasses import replace
from pathlib import Path

from torch import nn

from instructseq_model.memory_budget import count_matrices, count_parameters, memory_budgets
from instructseq_model.model import build_random
from instructseq_model.model_config import load_model_config

HOUSEHOLD = load_model_config(Path(__file__).parents[2] / "config" / "household.yaml")


def test_parameters_are_those_of_the_built_model() -> None:
    built = sum(parameter.numel() for parameter in build_random(HOUSEHOLD).parameters())
    assert count_parameters(HOUSEHOLD) == built


def test_caches_are_keys_and_values_of_every_layer_and_token() -> None:
    full, half, *_ = memory_budgets(HOUSEHOLD, samples=10)
    assert full.caches == 4 * 10 * 256 * 6 * 2 * 384
    assert full.prefix == 4 * (256 + 40 + 1) * 6 * 2 * 384
    assert [2 * value for value in (half.weights, half.caches, half.total)] == [full.weights, full.caches, full.total]


def test_few_bits_shrink_the_matrices_alone() -> None:
    budgets = {one.precision: one for one in memory_budgets(HOUSEHOLD, samples=4)}
    assert count_matrices(HOUSEHOLD) == sum(
        module.weight.numel()
        for module in build_random(HOUSEHOLD).sequence.transformer.modules()
        if isinstance(module, nn.Linear)
    )
    saved = {name: budgets["bf16"].weights - budgets[name].weights for name in ("int8", "int4")}
    assert saved == {"int8": count_matrices(HOUSEHOLD), "int4": 1.375 * count_matrices(HOUSEHOLD)}
    assert budgets["int4"].caches == budgets["bf16"].caches


def test_samples_cost_caches_and_never_weights() -> None:
    one, ten = (memory_budgets(HOUSEHOLD, samples=count)[0] for count in (1, 10))
    assert ten.caches == 10 * one.caches
    assert (ten.weights, ten.prefix) == (one.weights, one.prefix)


def test_more_layers_need_more_of_everything_that_has_layers() -> None:
    deep = replace(HOUSEHOLD, transformer=replace(HOUSEHOLD.transformer, layers=12))
    (shallow_one, *_), (deep_one, *_) = memory_budgets(HOUSEHOLD, samples=1), memory_budgets(deep, samples=1)
    assert deep_one.caches == 2 * shallow_one.caches
    assert deep_one.weights > shallow_one.weights
