"""What stands, what replaces it, and what ends it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from instructseq_model.errors import InstructionError
from instructseq_ros.standing import Standing, StandingInstructions, check_id

MUG = Standing(id="mug", number=1, text="mark the mug")


class Held(StandingInstructions):
    def __init__(self) -> None:
        self.told: list[list[int]] = []
        super().__init__(on_change=lambda all_of_them: self.told.append([one.number for one in all_of_them]))


def test_the_same_id_replaces_and_an_empty_text_ends() -> None:
    held = Held()
    held.put(MUG, most=4)
    held.put(replace(MUG, number=2, text="find the mug"), most=4)
    assert [one.text for one in held.all()] == ["find the mug"]
    assert not held.stands(MUG)
    held.put(replace(MUG, number=3, text=""), most=4)
    held.put(replace(MUG, number=4, text=""), most=4)
    assert held.all() == ()
    assert held.told == [[1], [2], []]


def test_too_many_are_refused_but_a_full_house_may_change() -> None:
    held = Held()
    for number in range(3):
        held.put(replace(MUG, id=f"i{number}", number=number), most=3)
    with pytest.raises(InstructionError, match=r"3 instructions stand already, so 'late' cannot.*max_instructions"):
        held.put(replace(MUG, id="late", number=9), most=3)
    held.put(replace(MUG, id="i1", number=10), most=3)
    assert [one.number for one in held.all()] == [0, 2, 10]


def test_expired_ones_end_at_their_time() -> None:
    held = Held()
    held.put(replace(MUG, expires=5.0), most=4)
    held.put(replace(MUG, id="cup", number=2), most=4)
    assert held.expire(4.9) == []
    assert [one.id for one in held.expire(5.0)] == ["mug"]
    assert [one.id for one in held.all()] == ["cup"]
    assert held.told[-1] == [2]


def test_a_clock_that_is_set_back_leaves_what_was_left_of_the_time() -> None:
    held = Held()
    held.expire(1000.0)
    mug = replace(MUG, expires=1010.0)
    held.put(mug, most=4)
    assert held.expire(1004.0) == []
    assert held.expire(2.0) == []  # six seconds are left
    held.put(replace(MUG, id="cup", number=2, expires=5.0), most=4)
    assert held.stands(mug)
    assert held.expire(4.9) == []
    assert [one.id for one in held.expire(5.0)] == ["cup"]
    assert held.expire(7.9) == []
    assert [one.id for one in held.expire(8.0)] == ["mug"]


def test_cameras() -> None:
    assert MUG.watches("any")
    assert replace(MUG, cameras=("left",)).watches("left")
    assert not replace(MUG, cameras=("left",)).watches("right")


@pytest.mark.parametrize("name", ["", "mug", "Mug_2", "m" * 64])
def test_ids(name: str) -> None:
    assert check_id(name, taken=["mask"]) == name


@pytest.mark.parametrize(
    ("name", "words"),
    [("2mugs", "a letter, then"), ("a/b", "topic names"), ("m" * 65, "at most 64"), ("mask", "camera or an output")],
)
def test_ids_that_cannot_be_topics_are_refused(name: str, words: Any) -> None:
    with pytest.raises(InstructionError, match=words):
        check_id(name, taken=["mask"])
