import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch

from instructseq_model.decoding import GREEDY, beam_search, beam_searches, generate
from instructseq_model.decoding.underway import Underway
from instructseq_model.errors import ConfigError
from instructseq_model.vocabulary import BEGIN, END, PAD, OutputKind


def every_text(scene: Any, length_penalty: float) -> list[tuple[float, float, tuple[int, ...]]]:
    """Score, log probability and tokens of all texts of the tiny vocabulary, best first, by teacher forcing."""
    model = scene.model
    ids, longest = model.config.vocabulary.text_range, model.config.max_text_tokens
    choices = [*ids, END]
    found = []
    for length in range(longest):
        for text in itertools.product(ids, repeat=length):
            inputs = torch.tensor([[BEGIN, *text]])
            with torch.no_grad():
                logits = model.logits(scene.image(), scene.instructions(0), inputs, OutputKind.TEXT)[0][:, choices]
            if length == longest - 1:
                logits[-1, :-1] = float("-inf")  # the last place is END's
            picked = [choices.index(token) for token in (*text, END)]
            total = float(logits.log_softmax(-1)[range(length + 1), picked].sum())
            found.append((total / (length + 1) ** length_penalty, total, text))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_wide_beam_finds_what_trying_everything_finds(
    make_scene: Callable[..., Any], seed: int, length_penalty: float
) -> None:
    scene = make_scene(seed=seed, text=3, text_tokens=4, grounding=bool(seed % 2))
    expected = every_text(scene, length_penalty)
    beams = beam_search(scene.model, scene.prefix(0), size=27, length_penalty=length_penalty)
    assert [beam.tokens for beam in beams[:5]] == [text for _, _, text in expected[:5]]
    for beam, (score, total, _) in zip(beams[:5], expected, strict=False):
        assert beam.log_probability == pytest.approx(total, abs=1e-4)
        assert beam.score == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_beam_of_one_is_greedy(make_scene: Callable[..., Any], seed: int) -> None:
    scene = make_scene(seed=seed)
    greedy = generate(scene.model, scene.prefix(0), OutputKind.TEXT, sampling=GREEDY)
    best = beam_search(scene.model, scene.prefix(0), size=1)[0]
    assert list(best.tokens) == greedy.tokens[0, : int(greedy.lengths[0])].tolist()


@pytest.mark.parametrize("kind", [OutputKind.TEXT, OutputKind.BOXES])
def test_instructions_searched_together_find_what_each_finds_alone(scene: Any, kind: OutputKind) -> None:
    together = beam_searches(scene.model, scene.prefix(), size=4, kind=kind)
    for row, beams in enumerate(together):
        alone = beam_search(scene.model, scene.prefix(row), size=4, kind=kind)
        assert [beam.tokens for beam in beams] == [beam.tokens for beam in alone]
        assert [beam.score for beam in beams] == pytest.approx([beam.score for beam in alone], abs=1e-4)


def test_beams_of_boxes_are_whole_boxes(make_scene: Callable[..., Any]) -> None:
    scene = make_scene()
    beams = beam_search(scene.model, scene.prefix(1), size=6, kind=OutputKind.BOXES)
    assert beams
    assert all(len(beam.tokens) in (0, 4, 8) for beam in beams)


@pytest.mark.parametrize("seed", range(4))
def test_a_greedy_search_under_way_holds_the_beginning_of_what_it_finds(
    make_scene: Callable[..., Any], seed: int
) -> None:
    scene = make_scene(seed=seed)
    seen: list[Underway] = []
    beams = beam_searches(scene.model, scene.prefix(), size=1, observe=lambda look: seen.append(look()))
    assert seen
    for look in seen:
        for row, (found,) in enumerate(beams):
            held = look.tokens[row][look.tokens[row] != PAD].tolist()
            assert held == list(found.tokens[: len(held)])
            assert look.probabilities[row].log().sum() <= 1e-6
            if len(held) == len(found.tokens) and look.tokens.shape[1] > len(held):
                expected = found.log_probability  # it is finished, and others are not
                assert float(look.probabilities[row].log().sum()) == pytest.approx(expected, abs=1e-4)
        assert not look.decided.any()


def test_wrong_arguments_are_refused(make_scene: Callable[..., Any]) -> None:
    scene = make_scene()
    with pytest.raises(ConfigError, match="at least 1"):
        beam_search(scene.model, scene.prefix(0), size=0)
    with pytest.raises(ConfigError, match="one instruction"):
        beam_search(scene.model, scene.prefix())
    with pytest.raises(ConfigError, match="END"):
        beam_search(scene.model, scene.prefix(0), kind=OutputKind.MAP)
