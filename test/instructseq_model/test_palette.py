import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructseq_model.errors import ConfigError
from instructseq_model.label_sets import label_set
from instructseq_model.palette import NAMED_COLOURS, LabelSet, evenly_spaced_colours, nearest_class, paint

COCO_STUFF = label_set("coco_stuff")


def least_distance(colours: np.ndarray) -> float:
    difference = colours[:, None].astype(float) - colours[None]
    distance = np.sqrt((difference**2).sum(-1))
    return float((distance + 1e9 * np.eye(len(colours))).min())


@pytest.mark.parametrize(("name", "count"), [("coco_stuff", 171), ("ade20k", 150)])
def test_every_class_survives_painting_and_reading_back(name: str, count: int) -> None:
    labels = label_set(name)
    ids = np.arange(count + 1).reshape(1, -1)
    assert labels.unlabelled == count
    np.testing.assert_array_equal(nearest_class(paint(ids, labels), labels), ids)


@pytest.mark.parametrize("name", ["coco_stuff", "ade20k"])
def test_classes_survive_any_shift_below_half_the_spacing(name: str) -> None:
    labels = label_set(name)
    ids = np.random.default_rng(0).integers(0, labels.unlabelled + 1, (40, 50))
    shift = np.random.default_rng(1).normal(size=(40, 50, 3))
    shift *= 25.4 / np.linalg.norm(shift, axis=-1, keepdims=True)
    np.testing.assert_array_equal(nearest_class(paint(ids, labels) + shift, labels), ids)


@settings(max_examples=25)
@given(st.integers(1, 400))
def test_colours_differ_are_never_black_and_are_evenly_spaced(count: int) -> None:
    colours = evenly_spaced_colours(count)
    assert colours.shape == (count, 3)
    assert colours.dtype == np.uint8
    levels = next(side for side in range(2, 10) if side**3 > count)
    with_black = np.concatenate([colours, np.zeros((1, 3), np.uint8)])
    assert least_distance(with_black) >= 255 // (levels - 1)


def test_colours_are_the_same_every_time() -> None:
    np.testing.assert_array_equal(evenly_spaced_colours(171), evenly_spaced_colours(171))
    assert evenly_spaced_colours(2).tolist() == [[255, 255, 255], [0, 0, 255]]


@pytest.mark.parametrize("count", [0, 256**3])
def test_impossible_numbers_of_colours_are_refused(count: int) -> None:
    with pytest.raises(ConfigError, match="choose"):
        evenly_spaced_colours(count)


def test_nearest_class_agrees_with_comparing_all_distances() -> None:
    labels = LabelSet("few", tuple("abcdefghij"))
    rgb = np.random.default_rng(2).integers(0, 256, (300, 200, 3), dtype=np.uint8)
    distance = ((rgb[:, :, None].astype(int) - labels.all_colours.astype(int)) ** 2).sum(-1)  # H x W x K
    found = nearest_class(rgb, labels)
    np.testing.assert_array_equal(found, distance.argmin(-1))
    assert found.dtype == np.uint8


def test_black_is_unlabelled_and_unlabelled_is_black() -> None:
    assert nearest_class(np.zeros((1, 1, 3), np.uint8), COCO_STUFF)[0, 0] == COCO_STUFF.unlabelled
    assert paint(np.full((1, 1), 171), COCO_STUFF)[0, 0].tolist() == [0, 0, 0]


def test_more_than_255_classes_need_sixteen_bits() -> None:
    many = LabelSet("many", tuple(f"class {index}" for index in range(256)))
    ids = np.array([[0, 255, 256]])
    found = nearest_class(paint(ids, many), many)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, ids)


@pytest.mark.parametrize(
    "ids", [np.array([[172]]), np.array([[-1]]), np.array([[0.0]]), np.array([0])], ids=["high", "low", "float", "flat"]
)
def test_ids_that_cannot_be_painted_are_refused(ids: np.ndarray) -> None:
    with pytest.raises(ValueError, match="ids"):
        paint(ids, COCO_STUFF)


def test_pictures_without_three_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="H x W x 3"):
        nearest_class(np.zeros((4, 4), np.uint8), COCO_STUFF)


@pytest.mark.parametrize("names", [(), ("cup", "cup"), ("cup", " ")])
def test_ambiguous_label_sets_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="repeated"):
        LabelSet("wrong", names)


def test_colours_of_a_label_set_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        COCO_STUFF.colours[0] = 0


def test_named_colours_are_far_from_each_other_and_from_black() -> None:
    colours = np.array(list(NAMED_COLOURS.values()))
    assert set(NAMED_COLOURS) == {"red", "green", "blue", "yellow", "purple", "orange", "pink", "cyan"}
    assert least_distance(colours) >= 127
    assert np.linalg.norm(colours, axis=1).min() >= 181
