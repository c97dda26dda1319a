"""Parallel decoding of maps against token-by-token decoding, in float64."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from instructseq_model.decoding import GREEDY, DecodingPrefix, Generated, Sampling, decoding_prefix, generate
from instructseq_model.decoding.drafts import DRAFTS, Drafter, Drawing, PreviousDraft, StaleDraft
from instructseq_model.decoding.generate import Meanings
from instructseq_model.decoding.parallel import generate_maps
from instructseq_model.decoding.underway import Underway
from instructseq_model.errors import ConfigError
from instructseq_model.sequence_model import SequenceConfig, SequenceModel
from instructseq_model.transformer import TransformerConfig
from instructseq_model.vocabulary import PAD, OutputKind, Vocabulary

CODES = 7


class RandomDraft(StaleDraft):
    """Guesses by chance, in part."""

    def begin(self, drawing: Drawing) -> tuple[Tensor, int]:
        guesses, forwards = super().begin(drawing)
        return torch.randint(-1, CODES, guesses.shape, generator=torch.Generator().manual_seed(1)), forwards


@lru_cache(maxsize=8)
def model_and_prefix(seed: int, instructions: int) -> tuple[SequenceModel, DecodingPrefix]:
    """A tiny model in float64 that repeats tokens now and then, so that drafts are right in part."""
    torch.manual_seed(seed)
    config = SequenceConfig(
        transformer=TransformerConfig(layers=2, width=16, heads=2),
        vocabulary=Vocabulary(text_size=3, position_size=4, visual_size=CODES),
        vision_width=6,
        vision_grid=2,
        instruction_width=5,
        max_instruction_tokens=4,
        map_grid=1 + seed % 5,
        max_text_tokens=3,
        max_boxes=1,
    )
    model = SequenceModel(config).eval()
    with torch.no_grad():
        ids = config.vocabulary.visual_range
        model.tokens.weight[ids.start : ids.stop] *= 4
        model.head.weight[ids.start : ids.stop] = (
            4 * torch.randn(CODES, 16) + 3 * model.tokens.weight[ids.start : ids.stop]
        )
        for parameter in model.transformer.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        model.double()
        image = model.encode_image(torch.randn(1, 4, 6).double())
        lengths = torch.tensor([4, 1, 3][:instructions])
        states = torch.randn(instructions, 4, 5).double()
        return model, decoding_prefix(model, image, model.encode_instruction(image, states, lengths))


def assert_same(found: Generated, expected: Generated) -> None:
    assert torch.equal(found.tokens, expected.tokens)
    assert torch.equal(found.lengths, expected.lengths)
    torch.testing.assert_close(found.probabilities, expected.probabilities, atol=1e-6, rtol=1e-6)


samplings = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.3, 1.0, 3.0]),
    top_k=st.sampled_from([None, 1, 3]),
    top_p=st.sampled_from([None, 0.5, 0.9]),
)
kinds_of_meanings = st.none() | st.builds(
    lambda labels, threshold: Meanings(labels=torch.tensor(labels), threshold=threshold),
    st.lists(st.integers(0, 2), min_size=CODES, max_size=CODES),
    st.sampled_from([None, 0.15, 0.5]),
)


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 9),
    instructions=st.integers(1, 3),
    sampling=samplings,
    samples=st.integers(1, 4),
    first_sample=st.integers(0, 3),
    meanings=kinds_of_meanings,
    window=st.integers(1, 30),
    draft=st.sampled_from([*DRAFTS.values(), RandomDraft]),
)
def test_maps_are_those_of_token_by_token_decoding(
    seed: int,
    instructions: int,
    sampling: Sampling,
    samples: int,
    first_sample: int,
    meanings: Meanings | None,
    window: int,
    draft: type[StaleDraft],
) -> None:
    model, prefix = model_and_prefix(seed, instructions)
    how: dict[str, Any] = {
        "sampling": sampling,
        "samples": samples,
        "seed": seed,
        "first_sample": first_sample,
        "meanings": meanings,
    }
    expected = generate(model, prefix, OutputKind.MAP, **how)
    found = generate_maps(model, prefix, window=window, drafter=draft(), **how)
    assert_same(found, expected)
    length = expected.tokens.shape[1]
    assert found.forwards <= length - 1 + (length if draft is DRAFTS["one_shot"] else 0)
    vocabulary = model.config.vocabulary
    again = PreviousDraft(expected.tokens - vocabulary.visual_range.start)
    repeated = generate_maps(model, prefix, window=window, drafter=again, **how)
    assert_same(repeated, expected)
    assert repeated.forwards == -(-(length - 1) // min(window, max(length - 1, 1)))  # every guess is right


@pytest.mark.parametrize("draft", DRAFTS.values())
def test_wide_windows_need_fewer_passes_than_tokens(draft: type[StaleDraft]) -> None:
    model, prefix = model_and_prefix(4, 2)
    narrow, wide = (generate_maps(model, prefix, sampling=GREEDY, window=window, drafter=draft()) for window in (1, 12))
    assert torch.equal(narrow.tokens, wide.tokens)
    assert wide.forwards < narrow.forwards


def test_a_draft_of_other_maps_is_not_used() -> None:
    model, prefix = model_and_prefix(4, 1)
    drafter: Drafter = PreviousDraft(torch.zeros(3, 25, dtype=torch.long))
    found = generate_maps(model, prefix, sampling=GREEDY, drafter=drafter)
    assert_same(found, generate(model, prefix, OutputKind.MAP, sampling=GREEDY))


def test_progress_counts_up_to_the_whole_map_and_may_end_the_decoding() -> None:
    model, prefix = model_and_prefix(4, 1)
    told: list[tuple[int, int]] = []
    generate_maps(model, prefix, sampling=GREEDY, window=4, progress=lambda *step: told.append(step))
    assert told[-1] == (25, 25)
    assert told == sorted(set(told))

    def stop(done: int, most: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        generate_maps(model, prefix, sampling=GREEDY, progress=stop)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("at_once", [1, 2 * 2 * CODES * 3])  # of four rows: one step, three steps
def test_many_tokens_are_drawn_in_parts_between_which_it_can_be_ended(
    monkeypatch: pytest.MonkeyPatch, at_once: int, temperature: float
) -> None:
    model, prefix = model_and_prefix(4, 2)
    how: dict[str, Any] = {"sampling": Sampling(temperature=temperature), "samples": 2, "seed": 3, "window": 12}
    whole = generate_maps(model, prefix, **how)
    monkeypatch.setattr("instructseq_model.decoding.parallel.DRAWN_AT_ONCE", at_once)
    told: list[tuple[int, int]] = []
    in_parts = generate_maps(model, prefix, **how, progress=lambda *step: told.append(step))
    assert torch.equal(in_parts.tokens, whole.tokens)
    assert torch.equal(in_parts.probabilities, whole.probabilities)
    assert told == sorted(told)
    first = told[0]
    parts = 12 if at_once == 1 else 4
    assert told.count(first) == 1 + parts  # of the first pass, before any row has left


@pytest.mark.parametrize("draft", DRAFTS.values())
def test_maps_under_way_are_what_the_finished_maps_will_be(draft: type[StaleDraft]) -> None:
    model, prefix = model_and_prefix(4, 2)
    how: dict[str, Any] = {"sampling": Sampling(temperature=1.0), "samples": 3, "window": 4}
    seen: list[Underway] = []
    made = generate_maps(model, prefix, drafter=draft(), observe=lambda look: seen.append(look()), **how)
    assert_same(made, generate_maps(model, prefix, drafter=draft(), **how))
    assert len(seen) > 2
    before = torch.zeros(6)
    for look in seen:
        decided = torch.arange(25) < look.decided[:, None]
        assert torch.equal(look.tokens[decided], made.tokens[decided])
        assert torch.equal(look.probabilities, torch.where(decided, made.probabilities, 1.0))
        guessed = look.tokens[~decided]
        assert set(guessed.tolist()) <= {PAD, *model.config.vocabulary.visual_range}
        assert (look.decided >= before).all()
        before = look.decided
    assert (seen[0].tokens == PAD).any() or draft is DRAFTS["one_shot"]
    assert before.min() < 25


@pytest.mark.parametrize("kind", [OutputKind.BOXES, OutputKind.MAP])
def test_sequences_under_way_are_beginnings_of_the_finished_ones(kind: OutputKind) -> None:
    model, prefix = model_and_prefix(4, 2)
    seen: list[Underway] = []
    made = generate(model, prefix, kind, sampling=GREEDY, observe=lambda look: seen.append(look()))
    assert [look.decided.tolist() for look in seen] == [[step] * 2 for step in range(1, made.tokens.shape[1])]
    for look in seen:
        assert torch.equal(look.tokens, made.tokens[:, : look.tokens.shape[1]])
        assert torch.equal(look.probabilities, made.probabilities[:, : look.tokens.shape[1]])


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"window": 0}])
def test_nothing_to_draw_is_refused(wrong: dict[str, int]) -> None:
    model, prefix = model_and_prefix(0, 1)
    with pytest.raises(ConfigError, match="at least 1"):
        generate_maps(model, prefix, sampling=GREEDY, **wrong)
