from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from instructseq_model.decoding import Generated, Sampling, generate, generate_maps
from instructseq_model.decoding.generate import Draw, sample_numbers
from instructseq_model.decoding.measuring import compare, gaps_at_first_difference
from instructseq_model.vocabulary import OutputKind

WARM = Sampling(temperature=1.0)


def test_ways_are_compared_with_the_first(make_scene: Callable[..., Any]) -> None:
    scene = make_scene()

    def token_by_token(prefix: Any) -> Generated:
        return generate(scene.model, prefix, OutputKind.MAP, sampling=WARM, samples=2)

    def parallel(prefix: Any) -> Generated:
        return generate_maps(scene.model, prefix, sampling=WARM, samples=2, window=8)

    def wrong(prefix: Any) -> Generated:
        made = token_by_token(prefix)
        tokens = made.tokens.clone()
        tokens[0, 3] += 1
        return replace(made, tokens=tokens)

    ways = {"token by token": token_by_token, "parallel": parallel, "wrong": wrong}
    found = compare(ways, [scene.prefix(0), scene.prefix(1)], repeats=2)
    assert [one.differing for one in found.values()] == [0, 0, 2]
    assert {one.sequences for one in found.values()} == {4}
    assert found["token by token"].forwards == 8
    assert found["parallel"].forwards <= 8
    assert all(one.seconds > 0 and one.spread >= 0 for one in found.values())


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_gap_is_the_distance_of_the_two_tokens_scores(make_scene: Callable[..., Any], temperature: float) -> None:
    scene, sampling = make_scene(), Sampling(temperature=temperature)
    prefix = scene.prefix(1)
    expected = generate(scene.model, prefix, OutputKind.MAP, sampling=sampling, samples=2, seed=3)
    draw = Draw(sampling=sampling, meanings=None, seed=3, samples=sample_numbers(prefix, 2, 0))
    assert gaps_at_first_difference(scene.model, prefix, expected, expected, draw) == []
    tokens = expected.tokens.clone()
    first = scene.model.config.vocabulary.visual_range.start
    tokens[1, 0] = first + (tokens[1, 0] - first + 2) % 9
    ((gap, scale),) = gaps_at_first_difference(scene.model, prefix, replace(expected, tokens=tokens), expected, draw)
    with torch.inference_mode():
        logits = scene.model.head(prefix.begin)[0, first : first + 9]
        score = logits
        if temperature:
            score = logits / temperature + draw.noise(torch.zeros(2, 1, dtype=torch.long), 9)[1, 0]
    assert gap == pytest.approx(float((score[tokens[1, 0] - first] - score[expected.tokens[1, 0] - first]).abs()))
    assert scale == pytest.approx(float(logits.abs().max()))
