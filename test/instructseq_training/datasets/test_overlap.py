"""No image that is evaluated on is trained on."""

import shutil

import pytest

from instructseq_training.datasets.overlap import FAMILY, held_out_images, open_training_split
from instructseq_training.datasets.table import DATASETS, open_split

from .generate import HELD_OUT


def test_the_held_out_images_are_those_of_all_evaluation_splits(root):
    found = held_out_images(root)
    independent = {
        image
        for name in FAMILY
        for split in DATASETS[name].splits
        if split != "train"
        for image in open_split(root, name, split).image_ids
    }
    assert found.image_ids == independent == HELD_OUT
    assert found.absent == ()


@pytest.mark.parametrize(
    ("name", "kept", "dropped"), [("refcoco", [1], 1), ("refcoco+", [1], 1), ("refcocog", [1], 2), ("grefcoco", [1], 1)]
)
def test_training_images_that_are_evaluated_on_are_dropped_and_counted(root, name, kept, dropped):
    training = open_training_split(root, name)
    assert list(training.split.image_ids) == kept
    assert [training.split[place].image_id for place in range(len(training.split))] == kept
    assert training.dropped == dropped
    assert training.message(name).startswith(f"{name}: {dropped} of {dropped + 1} training images dropped")


def test_what_could_not_be_compared_is_said(root, tmp_path):
    shutil.copytree(root, tmp_path / "part", ignore=shutil.ignore_patterns("refcocog", "fss-1000"))
    training = open_training_split(tmp_path / "part", "refcoco")
    assert list(training.split.image_ids) == [1, 2]
    assert training.message("refcoco").endswith("not compared with refcocog, which is not on disk")


def test_other_datasets_lose_nothing(root):
    training = open_training_split(root, "coco_captions")
    assert (len(training.split), training.dropped) == (3, 0)
    assert training.message("coco_captions") == "coco_captions: 3 training images"
