import pytest

from instructseq_model.errors import ConfigError
from instructseq_model.label_sets import LABEL_SET_NAMES, label_set


def test_coco_stuff_has_80_things_then_91_stuff() -> None:
    names = label_set("coco_stuff").names
    assert len(names) == 171
    assert (names[0], names[79], names[80], names[-1]) == ("person", "toothbrush", "banner", "wood")
    assert list(names[80:]) == sorted(names[80:])


def test_coco_stuff_leaves_out_the_classes_without_pixels() -> None:
    missing = [
        "street sign",
        "hat",
        "shoe",
        "eye glasses",
        "plate",
        "mirror",
        "window",
        "desk",
        "door",
        "blender",
        "hair brush",
    ]
    assert not set(missing) & set(label_set("coco_stuff").names)


@pytest.mark.parametrize(
    ("index", "name"),
    [
        (0, "person"),
        (11, "stop sign"),
        (24, "backpack"),
        (60, "dining table"),
        (84, "building-other"),
        (168, "window-blind"),
    ],
)
def test_coco_stuff_is_in_published_order(index: int, name: str) -> None:
    assert label_set("coco_stuff").names[index] == name


@pytest.mark.parametrize(
    ("number", "name"),
    [(1, "wall"), (13, "person"), (21, "car"), (45, "chest of drawers"), (66, "toilet"), (90, "television"),
     (112, "barrel"), (126, "pot"), (139, "ashcan"), (150, "flag")],
)  # fmt: skip
def test_ade20k_is_in_published_order(number: int, name: str) -> None:
    assert len(label_set("ade20k").names) == 150
    assert label_set("ade20k").names[number - 1] == name


def test_household_is_small_enough_for_colours_85_apart() -> None:
    assert 1 <= len(label_set("household").names) <= 63


@pytest.mark.parametrize("name", LABEL_SET_NAMES)
def test_label_sets_know_their_name(name: str) -> None:
    assert label_set(name).name == name


def test_an_unknown_label_set_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="coco_stuff, ade20k, household"):
        label_set("cityscapes")
