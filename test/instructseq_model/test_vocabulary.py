import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructseq_model.errors import ConfigError
from instructseq_model.vocabulary import BEGIN, END, MASK, PAD, SPECIAL_SIZE, OutputKind, Vocabulary

PAPER = Vocabulary(text_size=50265, visual_size=16384)
sizes = st.integers(1, 2000)


def test_paper_size_has_67649_ids_and_the_special_ones() -> None:
    assert PAPER.size == 67649 + SPECIAL_SIZE
    assert PAPER.position_range == range(50269, 51269)
    assert {BEGIN, END, PAD, MASK} == set(range(SPECIAL_SIZE))


@given(sizes, sizes, sizes)
def test_ranges_follow_each_other_and_fill_the_vocabulary(text: int, position: int, visual: int) -> None:
    vocabulary = Vocabulary(text_size=text, position_size=position, visual_size=visual)
    ranges = [range(SPECIAL_SIZE), vocabulary.text_range, vocabulary.position_range, vocabulary.visual_range]
    assert [len(part) for part in ranges] == [SPECIAL_SIZE, text, position, visual]
    assert [token for part in ranges for token in part] == list(range(vocabulary.size))


@given(sizes, sizes, st.data())
def test_kind_of_an_id_is_the_range_that_holds_it(text: int, visual: int, data: st.DataObject) -> None:
    vocabulary = Vocabulary(text_size=text, visual_size=visual)
    token = data.draw(st.integers(0, vocabulary.size - 1))
    holders: list[OutputKind | None] = [kind for kind in OutputKind if token in vocabulary.range_of(kind)]
    assert [vocabulary.kind_of(token)] == (holders or [None])
    assert bool(holders) == (token >= SPECIAL_SIZE)


def test_kinds_name_their_ranges() -> None:
    assert PAPER.range_of(OutputKind.TEXT) == PAPER.text_range
    assert PAPER.range_of(OutputKind.BOXES) == PAPER.position_range
    assert PAPER.range_of(OutputKind.MAP) == PAPER.visual_range
    assert [kind.value for kind in OutputKind] == ["text", "boxes", "map"]


@pytest.mark.parametrize("token", [-1, 67653])
def test_ids_outside_the_vocabulary_have_no_kind(token: int) -> None:
    with pytest.raises(ValueError, match="67653"):
        PAPER.kind_of(token)


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_a_box_comes_back_to_within_half_a_bin(values: list[float]) -> None:
    box = (min(values[0], values[2]), min(values[1], values[3]), max(values[0], values[2]), max(values[1], values[3]))
    found = PAPER.tokens_to_box(PAPER.box_to_tokens(box))
    assert max(abs(a - b) for a, b in zip(found, box, strict=True)) <= 0.5 / 1000 + 1e-12


@given(st.lists(st.integers(50269, 51268), min_size=4, max_size=4))
def test_tokens_in_order_come_back_the_same(tokens: list[int]) -> None:
    ordered = (min(tokens[::2]), min(tokens[1::2]), max(tokens[::2]), max(tokens[1::2]))
    assert PAPER.box_to_tokens(PAPER.tokens_to_box(tokens)) == ordered


def test_coordinates_outside_the_square_are_clamped() -> None:
    assert PAPER.box_to_tokens((-3, 0, 1, 7)) == (50269, 50269, 51268, 51268)


def test_centre_of_a_bin_is_what_a_token_means() -> None:
    assert PAPER.tokens_to_box((50269, 50769, 51268, 51268)) == pytest.approx((0.0005, 0.5005, 0.9995, 0.9995))


@pytest.mark.parametrize("box", [(0, 0, 1), (0, 0, 1, math.nan), (0, 0, 1, math.inf)])
def test_boxes_that_are_not_four_finite_numbers_are_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="four finite"):
        PAPER.box_to_tokens(box)


@pytest.mark.parametrize("tokens", [(50269,) * 3, (50269, 50269, 50269, END), (51269,) * 4])
def test_tokens_that_are_no_positions_are_refused(tokens: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="four ids"):
        PAPER.tokens_to_box(tokens)


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="visual_size"):
        Vocabulary(text_size=1, visual_size=0)


def test_whole_boxes_are_read_and_a_rest_is_left() -> None:
    first, second = PAPER.box_to_tokens((0.1, 0.2, 0.3, 0.4)), PAPER.box_to_tokens((0.5, 0.5, 0.9, 0.8))
    boxes = PAPER.tokens_to_boxes([*first, *second, *first[:3]])
    assert boxes == [PAPER.tokens_to_box(first), PAPER.tokens_to_box(second)]
    assert PAPER.tokens_to_boxes(first[:3]) == []
