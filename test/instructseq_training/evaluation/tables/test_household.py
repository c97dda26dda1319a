"""Cases on rendered scenes: the right expressions, the truth beside them, the same each time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task
from instructseq_training.evaluation.cases import Case
from instructseq_training.evaluation.tables.household import HouseholdSuite
from instructseq_training.evaluation.tables.question import MissingDataError, Question


def cases(
    scenes: Path, dataset: str, task: Task, *, split: str = "val", wording: str = "train", frames: int | None = None
) -> list[Case]:
    found: Iterator[Case] = HouseholdSuite(scenes).cases(Question(dataset, split, task, wording), frames=frames)
    return list(found)


def test_single_expressions_mean_one_object(scenes: Path) -> None:
    found = cases(scenes, "household-single", Task.SEGMENTATION)
    assert len(found) == 8  # two of each of four frames
    assert all(case.mask is not None and case.mask.any() for case in found)
    assert {case.object_class for case in found} <= {"mug", "bowl"}


def test_any_expression_may_mean_none_or_several(scenes: Path) -> None:
    boxes = [len(case.boxes) for case in cases(scenes, "household-any", Task.DETECTION) if case.boxes is not None]
    assert {0, 2} <= set(boxes)


def test_new_names_are_bare_names_of_objects_never_trained_on(scenes: Path) -> None:
    found = cases(scenes, "household-new-names", Task.SEGMENTATION, split="heldout")
    assert [(case.object_class, case.kind) for case in found] == [("bowl", "name")] * 4
    assert cases(scenes, "household-new-names", Task.SEGMENTATION) == []
    known = cases(scenes, "household-known-names", Task.SEGMENTATION, split="heldout")
    assert {case.object_class for case in known} == {"mug"}


def test_the_mask_and_the_box_are_those_of_the_targets(scenes: Path) -> None:
    case = cases(scenes, "household-new-names", Task.SEGMENTATION, split="heldout")[0]
    expected = np.zeros((48, 64), bool)
    expected[24:, 32:] = True
    np.testing.assert_array_equal(case.mask, expected)
    box = cases(scenes, "household-new-names", Task.DETECTION, split="heldout")[0]
    assert box.boxes is not None
    assert box.boxes.tolist() == [[32, 24, 64, 48]]


def test_another_wording_asks_for_the_same_objects_in_the_same_colours(scenes: Path) -> None:
    mark = cases(scenes, "household-single", Task.SEGMENTATION, wording="Mark the {object} region as {color}.")
    view = cases(scenes, "household-single", Task.SEGMENTATION, wording="View the {object} as {color}.")
    for one, other in zip(mark, view, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)
        assert one.instruction[len("Mark the ") : -1].replace(" region", "") == other.instruction[len("View the ") : -1]


def test_cases_are_the_same_each_time_and_fewer_frames_are_a_part_of_them(scenes: Path) -> None:
    words = [case.instruction for case in cases(scenes, "household-single", Task.DETECTION)]
    assert words == [case.instruction for case in cases(scenes, "household-single", Task.DETECTION)]
    few = cases(scenes, "household-single", Task.DETECTION, frames=2)
    assert len({case.image_key for case in few}) == 2
    assert {case.instruction for case in few} <= set(words)


def test_maps_and_captions_come_once_a_frame(scenes: Path) -> None:
    maps = cases(scenes, "household", Task.SEMANTIC)
    assert [case.image_key for case in maps] == [f"val-{n}" for n in range(4)]
    assert all(case.classes is not None and case.label_set == "household" for case in maps)
    assert [len(case.captions) for case in cases(scenes, "household", Task.CAPTION)] == [2] * 4


def test_missing_shards_and_unknown_datasets_are_named(tmp_path: Path, scenes: Path) -> None:
    with pytest.raises(MissingDataError, match=r"no val-\*\.tar; render them: instructseq scenes"):
        cases(tmp_path, "household", Task.SEMANTIC)
    with pytest.raises(ConfigError, match="household-single"):
        cases(scenes, "kitchen", Task.SEMANTIC)
