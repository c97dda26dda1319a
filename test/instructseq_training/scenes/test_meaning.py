import dataclasses

import pytest

from instructseq_training.scenes import meaning
from instructseq_training.scenes.catalogue import name_table
from instructseq_training.scenes.scene import SceneObject


def make(
    index, name="vase", category="vase", colour=None, x=100.0, y=100.0, distance=1.0, size=0.2, possible=(), at=(0, 0)
):
    return SceneObject(
        index=index,
        model=f"m{index}",
        name=name,
        category=category,
        colour=colour,
        possible_colours=possible or ((colour,) if colour else ()),
        size_m=(0.1, 0.1, size),
        box=(int(x) - 5, int(y) - 5, int(x) + 5, int(y) + 5),
        pixels=100,
        centroid=(x, y),
        distance=distance,
        position=(*at, 0.0),
        held_out=False,
    )


@pytest.mark.parametrize(
    ("first", "second", "result"),
    [(True, True, True), (True, None, None), (None, False, False), (False, None, False), (None, None, None)],
)
def test_and_of_three_values(first, second, result):
    assert meaning.both(first, second) is result


def test_unclear_object_makes_the_phrase_unfit():
    red = meaning.coloured("red")
    sure, perhaps = make(1, colour="red"), make(2, possible=("red", "pink"))
    assert meaning.meant(red, [sure]) == (sure,)
    assert meaning.meant(red, [sure, perhaps]) is None


def test_names_that_people_swap_are_unclear():
    cup = meaning.named("cup", name_table())
    assert cup(make(1, name="cup")) is True
    assert cup(make(1, name="coffee mug")) is None
    assert cup(make(1, name="hammer")) is False


def test_a_longer_name_may_be_meant_by_its_last_word():
    assert meaning.named("lamp", name_table())(make(1, name="street lamp")) is None


@pytest.mark.parametrize(("x", "result"), [(60.0, True), (95.0, None), (105.0, None), (160.0, False)])
def test_left_of_needs_a_margin(x, result):
    assert meaning.left_of(make(1, x=100.0), 320)(make(2, x=x)) is result
    assert meaning.right_of(make(1, x=100.0), 320)(make(2, x=200.0 - x)) is result


@pytest.mark.parametrize(("distance", "result"), [(0.8, True), (0.98, None), (1.3, False)])
def test_in_front_of_compares_distances(distance, result):
    assert meaning.in_front_of(make(1, distance=1.0))(make(2, distance=distance)) is result


@pytest.mark.parametrize(
    ("x", "y", "result"), [(150.0, 100.0, True), (150.0, 140.0, None), (150.0, 230.0, False), (20.0, 100.0, False)]
)
def test_between_is_near_the_line(x, y, result):
    assert meaning.between(make(1, x=100.0), make(2, x=200.0), 320)(make(3, x=x, y=y)) is result


def test_nearest_needs_to_be_clearly_nearer():
    anchor, near, far = make(1), make(2, at=(0.1, 0)), make(3, at=(0, 0.3))
    assert meaning.nearest_to(anchor, [anchor, near, far]) == near
    assert meaning.nearest_to(anchor, [near, dataclasses.replace(far, position=(0, 0.11, 0))]) is None
