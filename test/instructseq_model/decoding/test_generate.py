from collections.abc import Callable
from typing import Any

import pytest
import torch

from instructseq_model.decoding import GREEDY, Sampling, generate, kind_probabilities
from instructseq_model.decoding.generate import Draw, Meanings, near_probability
from instructseq_model.decoding.torch_steps import TorchDecoder, TorchSteps
from instructseq_model.errors import ConfigError
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import BEGIN, END, PAD, OutputKind

WARM = Sampling(temperature=1.0)


@pytest.mark.parametrize("kind", list(OutputKind))
def test_samples_over_one_prefix_equal_separate_runs_with_the_same_noise(scene: Any, kind: OutputKind) -> None:
    prefix = scene.prefix()
    together = generate(scene.model, prefix, kind, sampling=WARM, samples=4, seed=5)
    assert len(together.tokens.unique(dim=0)) > 1
    for row in range(3):
        for sample in range(4):
            alone = generate(scene.model, scene.prefix(row), kind, sampling=WARM, seed=5, first_sample=sample)
            index, length = row * 4 + sample, alone.tokens.shape[1]
            assert together.tokens[index, :length].tolist() == alone.tokens[0].tolist()
            assert (together.tokens[index, length:] == PAD).all()
            assert together.lengths[index] == alone.lengths[0]
            found = together.probabilities[index, :length]
            torch.testing.assert_close(found, alone.probabilities[0], atol=1e-5, rtol=1e-4)


class CountingDecoder(TorchDecoder):
    """Keeps how many rows each pass is shown."""

    def __init__(self, model: SequenceModel) -> None:
        super().__init__(model)
        self.shown: list[int] = []

    def begin(self, *given: Any, **named: Any) -> TorchSteps:
        steps = super().begin(*given, **named)
        forward = steps.forward

        def counted(tokens: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
            self.shown.append(len(tokens))
            return forward(tokens, starts)

        steps.forward = counted  # type: ignore[method-assign]
        return steps


def test_sequences_that_have_ended_cost_no_more_passes(make_scene: Callable[..., Any]) -> None:
    scene = make_scene(text_tokens=30)
    with torch.no_grad():
        scene.model.head.bias[END] = -1
    decoder = CountingDecoder(scene.model)
    hot = Sampling(temperature=3.0)
    together = generate(decoder, scene.prefix(), OutputKind.TEXT, sampling=hot, samples=8)
    assert together.lengths.min() < 0.5 * together.lengths.max()
    assert decoder.shown[0] == 24
    assert decoder.shown[-1] <= 12
    assert decoder.shown == sorted(decoder.shown, reverse=True)
    for row in range(24):
        alone = generate(
            scene.model, scene.prefix(row // 8), OutputKind.TEXT, sampling=hot, first_sample=row % 8
        ).tokens[0]
        assert together.tokens[row, : len(alone)].tolist() == alone.tolist()


@pytest.mark.parametrize("kind", list(OutputKind))
def test_rows_of_a_prefix_continue_as_the_whole_prefix(scene: Any, kind: OutputKind) -> None:
    whole = generate(scene.model, scene.prefix(), kind, sampling=GREEDY)
    row = generate(scene.model, scene.prefix().row(1), kind, sampling=GREEDY)
    assert whole.tokens[1, : row.tokens.shape[1]].tolist() == row.tokens[0].tolist()


def test_greedy_map_follows_the_teacher_forced_maximum(scene: Any) -> None:
    made = generate(scene.model, scene.prefix(), OutputKind.MAP, sampling=GREEDY)
    inputs = torch.cat([torch.full((3, 1), BEGIN), made.tokens[:, :-1]], 1)
    ids = scene.model.config.vocabulary.visual_range
    with torch.no_grad():
        logits = scene.model.logits(scene.image(), scene.instructions(), inputs, OutputKind.MAP)
    of_codes = logits[..., ids.start : ids.stop]
    assert torch.equal(of_codes.argmax(-1) + ids.start, made.tokens)
    torch.testing.assert_close(of_codes.softmax(-1).amax(-1), made.probabilities, atol=1e-4, rtol=1e-4)


def test_same_seed_same_tokens_and_another_seed_others(make_scene: Callable[..., Any]) -> None:
    scene = make_scene()
    first, again, other = (
        generate(scene.model, scene.prefix(), OutputKind.MAP, sampling=WARM, seed=seed).tokens for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("seed", range(5))
def test_tokens_stay_in_the_range_of_their_kind(make_scene: Callable[..., Any], seed: int) -> None:
    scene = make_scene(seed=seed)
    for kind in OutputKind:
        made = generate(scene.model, scene.prefix(), kind, sampling=Sampling(temperature=3.0), samples=8, seed=seed)
        ids = scene.model.config.vocabulary.range_of(kind)
        for row, length in zip(made.tokens.tolist(), made.lengths.tolist(), strict=True):
            assert all(token in ids for token in row[:length])
            closing = [] if kind is OutputKind.MAP else [END]
            assert row[length:] == closing + [PAD] * (len(row) - length - len(closing))
        assert made.probabilities.min() >= 0
        assert made.probabilities.max() <= 1


def test_boxes_come_in_fours_and_end_by_their_limit(make_scene: Callable[..., Any]) -> None:
    scene = make_scene()
    with torch.no_grad():
        scene.model.head.bias[END] += 2
    hot = Sampling(temperature=3.0)
    lengths = generate(scene.model, scene.prefix(), OutputKind.BOXES, sampling=hot, samples=32).lengths
    assert set(lengths.tolist()) == {0, 4, 8}


def test_maps_fill_the_grid(make_scene: Callable[..., Any]) -> None:
    scene = make_scene()
    assert generate(scene.model, scene.prefix(), OutputKind.MAP, sampling=WARM).lengths.tolist() == [9, 9, 9]


@pytest.mark.parametrize("kind", list(OutputKind))
def test_limit_gives_the_beginning_of_the_whole_output(make_scene: Callable[..., Any], kind: OutputKind) -> None:
    scene = make_scene()
    whole = generate(scene.model, scene.prefix(), kind, sampling=WARM, samples=2)
    cut = generate(scene.model, scene.prefix(), kind, sampling=WARM, samples=2, limit=3)
    assert torch.equal(cut.tokens, whole.tokens[:, : cut.tokens.shape[1]])
    assert cut.tokens.shape[1] <= 3


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"limit": 0}])
def test_nothing_to_draw_is_refused(make_scene: Callable[..., Any], wrong: dict[str, Any]) -> None:
    scene = make_scene()
    with pytest.raises(ConfigError, match="at least 1"):
        generate(scene.model, scene.prefix(), OutputKind.MAP, sampling=WARM, **wrong)


def test_progress_counts_the_steps_and_may_end_the_decoding(make_scene: Callable[..., Any]) -> None:
    scene, seen = make_scene(), []
    generate(scene.model, scene.prefix(), OutputKind.MAP, sampling=GREEDY, progress=lambda *step: seen.append(step))
    assert seen == [(step, 9) for step in range(1, 10)]

    def stop(done: int, most: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        generate(scene.model, scene.prefix(), OutputKind.MAP, sampling=GREEDY, progress=stop)


def test_kind_masses_sum_to_one_and_an_immediate_end_counts_as_boxes(scene: Any) -> None:
    begin = scene.prefix().begin
    mass = kind_probabilities(scene.model, begin)
    assert set(mass) == set(OutputKind)
    torch.testing.assert_close(sum(mass.values()), torch.ones(3))
    with torch.no_grad():
        scene.model.head.bias[END] += 100
    assert kind_probabilities(scene.model, begin)[OutputKind.BOXES].min() > 0.999


def test_coordinate_probability_adds_up_the_bins_nearby() -> None:
    probability = torch.full((2, 41), 1 / 41)  # 40 bins and END, all equally probable
    found = near_probability(probability, torch.tensor([3, 40]), bins=40)
    assert found.tolist() == pytest.approx([14 / 41, 1 / 41], abs=1e-6)  # bins 0 to 13; END alone


PROBABILITIES = torch.tensor([[0.4, 0.2, 0.2, 0.2], [0.7, 0.1, 0.1, 0.1], [0.15, 0.25, 0.3, 0.3]])


def drawn(meanings: Meanings, logits: torch.Tensor, temperature: float = 0.0) -> tuple[list[int], list[float]]:
    draw = Draw(
        sampling=Sampling(temperature=temperature), meanings=meanings, seed=0, samples=torch.arange(len(logits))
    )
    picked, probability = draw(logits[:, None], torch.zeros(len(logits), 1, dtype=torch.long))
    return picked[:, 0].tolist(), probability[:, 0].tolist()


def test_the_most_probable_meaning_wins_and_its_probability_is_that_of_all_its_tokens() -> None:
    picked, probability = drawn(Meanings(labels=torch.tensor([0, 1, 1, 2])), PROBABILITIES.log())
    assert picked == [0, 0, 2]  # 0.4 against 0.4 and 0.2: the first; 0.7; 0.25 + 0.3 beats 0.3
    assert probability == pytest.approx([0.4, 0.7, 0.55])


@pytest.mark.parametrize(("threshold", "expected"), [(0.5, [1, 0, 2]), (0.25, [1, 1, 2]), (0.7, [0, 0, 2])])
def test_marks_win_from_their_threshold_on(threshold: float, expected: list[int]) -> None:
    meanings = Meanings.marked(torch.tensor([False, True, True, True]), threshold=threshold)
    picked, probability = drawn(meanings, PROBABILITIES.log())
    assert picked == expected
    marks = [0.6, 0.3, 0.85]
    assert probability == pytest.approx([m if p else 1 - m for m, p in zip(marks, picked, strict=True)])


def test_a_forbidden_member_leaves_the_rest_open() -> None:
    logits = torch.tensor([[0.0, 1.0, float("-inf")]])
    meanings = Meanings.marked(torch.tensor([False, False, True]), threshold=0.5)
    assert drawn(meanings, logits) == ([1], [pytest.approx(1.0)])


def test_sampling_draws_tokens_as_ever_and_tells_the_probability_of_what_they_mean() -> None:
    logits = PROBABILITIES.log()
    meanings = Meanings(labels=torch.tensor([0, 1, 1, 2]))
    plain, _ = drawn(Meanings(labels=torch.arange(4)), logits, temperature=1.0)
    picked, probability = drawn(meanings, logits, temperature=1.0)
    assert picked == plain
    masses = meanings.masses(logits.softmax(-1))
    assert probability == pytest.approx([float(m[meanings.labels[p]]) for m, p in zip(masses, picked, strict=True)])


def test_greedy_end_keeps_the_probability_that_the_model_gave_it(make_scene: Callable[..., Any]) -> None:
    scene = make_scene()
    with torch.no_grad():
        scene.model.head.bias[END] += 8
        logits = scene.model.head(scene.prefix().begin)
    made = generate(scene.model, scene.prefix(), OutputKind.BOXES, sampling=GREEDY)
    of_end = logits[:, [*scene.model.config.vocabulary.position_range, END]].softmax(-1)[:, -1]
    ended = made.tokens[:, 0] == END
    assert ended.any()
    torch.testing.assert_close(made.probabilities[ended, 0], of_end[ended], atol=1e-5, rtol=1e-4)
    assert made.probabilities[ended, 0].max() < 1
