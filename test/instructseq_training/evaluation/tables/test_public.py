"""Cases on public datasets, through a reader of two images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.evaluation.cases import Case
from instructseq_training.evaluation.tables.public import READERS, PublicSuite
from instructseq_training.evaluation.tables.question import MissingDataError, Question


@dataclass(frozen=True)
class Shape:
    box: tuple[int, int, int, int]

    def mask(self, size_hw: tuple[int, int]) -> np.ndarray:
        mask = np.zeros(size_hw, bool)
        x1, y1, x2, y2 = self.box
        mask[y1:y2, x1:x2] = True
        return mask


@dataclass(frozen=True)
class Thing:
    outline: Shape
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Words:
    text: str
    targets: tuple[int, ...]


@dataclass(frozen=True)
class Classes:
    label_set: str = "coco_stuff"

    def ids(self) -> np.ndarray:
        return np.full((10, 12), 170, np.uint8)


@dataclass(frozen=True)
class Picture:
    key: str
    classes: Classes | None = Classes()
    targets: tuple[Thing, ...] = (Thing(Shape((1, 2, 5, 6))), Thing(Shape((6, 0, 9, 9)), box=(5.5, 0.0, 9.5, 9.5)))
    expressions: tuple[Words, ...] = (Words("man", (0,)), Words("both people", (0, 1)), Words("dog", ()))
    captions: tuple[str, ...] = ("two people",)

    def rgb(self) -> np.ndarray:
        return np.zeros((10, 12, 3), np.uint8)


def read(folder: Path, split: str) -> Iterator[Picture]:
    return iter([Picture(f"{split}-1"), Picture(f"{split}-2", classes=None, captions=())])


def ask(folder: Path, task: Task, **options: Any) -> list[Case]:
    suite = PublicSuite(folder, {"refcoco": read})
    return list(suite.cases(Question("refcoco", "val", task, "train"), frames=options.get("frames")))


def test_each_expression_is_a_case_with_the_union_of_its_targets(tmp_path: Path) -> None:
    found = ask(tmp_path, Task.SEGMENTATION)
    assert [int(case.mask.sum()) for case in found if case.mask is not None] == [16, 43, 0] * 2
    assert [case.image_key for case in found] == ["val-1"] * 3 + ["val-2"] * 3
    assert "man" in found[0].instruction


def test_a_published_box_is_taken_and_else_the_one_around_the_shape(tmp_path: Path) -> None:
    boxes = [case.boxes.tolist() for case in ask(tmp_path, Task.DETECTION, frames=1) if case.boxes is not None]
    assert boxes == [[[1, 2, 5, 6]], [[1, 2, 5, 6], [5.5, 0, 9.5, 9.5]], []]


def test_images_without_map_or_caption_give_none(tmp_path: Path) -> None:
    (semantic,) = ask(tmp_path, Task.SEMANTIC)
    assert semantic.label_set == "coco_stuff"
    assert "coco" in semantic.instruction.lower()
    assert [case.captions for case in ask(tmp_path, Task.CAPTION)] == [("two people",)]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    suite = PublicSuite(tmp_path, READERS)
    with pytest.raises(DatasetError, match=r"ADE20K .* needs ADEChallengeData2016 .* get it from http"):
        next(suite.cases(Question("ade20k", "val", Task.SEMANTIC, "train"), frames=None))
    with pytest.raises(ConfigError, match="no 'voc'; it has coco_stuff"):
        next(suite.cases(Question("voc", "val", Task.SEMANTIC, "train"), frames=None))
    suite = PublicSuite(tmp_path / "nowhere", READERS)
    with pytest.raises(MissingDataError, match="there is no folder"):
        next(suite.cases(Question("refcoco", "val", Task.CAPTION, "train"), frames=None))
