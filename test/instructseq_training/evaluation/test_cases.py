"""Questions with their answers, from rendered frames and from real photographs."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task
from instructseq_training.evaluation.cases import photograph_cases, scene_cases, spread_frames
from instructseq_training.instructions import load_instruction_set
from instructseq_training.scenes.shards import Sample, shard_file, write_shard

PHRASINGS = load_instruction_set("held_out")
MUG, BOWL = 3, 5


def frame(number: int) -> Sample:
    """A mug, known from training, above a bowl that is not."""
    instances = np.zeros((20, 30), np.uint8)
    instances[2:8, 5:10] = MUG
    instances[12:18, 5 : 15 + number] = BOWL
    record: dict[str, Any] = {
        "key": f"val-{number:07d}",
        "width": 30,
        "height": 20,
        "objects": [
            {"index": MUG, "name": "mug", "box": [5, 2, 10, 8], "held_out": False},
            {"index": BOWL, "name": "bowl", "box": [5, 12, 15 + number, 18], "held_out": True},
        ],
        "expressions": [
            {"text": "the mug", "kind": "name", "targets": [MUG]},
            {"text": "the bowl", "kind": "name", "targets": [BOWL]},
            {"text": "both things", "kind": "all", "targets": [MUG, BOWL]},
            {"text": "the lamp", "kind": "none", "targets": []},
        ],
        "captions": [f"a mug and bowl {number}"],
    }
    return Sample(record["key"], np.full((20, 30, 3), number, np.uint8), instances, instances + 1, record)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    for shard in range(2):
        write_shard(shard_file(folder, "val", shard), (frame(4 * shard + place) for place in range(4)))
    return folder


def targets_of(instruction: str) -> list[int]:
    words = {"the mug": [MUG], "the bowl": [BOWL], "both things": [MUG, BOWL], "the lamp": []}
    return next(targets for text, targets in words.items() if text in instruction)


def test_frames_are_taken_evenly_from_the_shards(scenes: Path) -> None:
    assert [sample.key for sample in spread_frames(scenes, "val", 3)] == ["val-0000000", "val-0000001", "val-0000004"]
    assert len(list(spread_frames(scenes, "val", 100))) == 8


def test_a_frame_gives_six_questions_whose_answers_are_true(scenes: Path) -> None:
    cases = scene_cases(scenes, "val", frames=4, phrasings=PHRASINGS)
    kinds = {Task.SEGMENTATION: 2, Task.DETECTION: 2, Task.SEMANTIC: 1, Task.CAPTION: 1}
    assert Counter(case.task for case in cases) == {task: 4 * count for task, count in kinds.items()}
    for number, case in enumerate(cases):
        made = frame((0, 1, 4, 5)[number // 6])
        if case.task is Task.SEGMENTATION:
            assert case.mask is not None
            assert np.array_equal(case.mask, np.isin(made.instances, targets_of(case.instruction)))
        if case.task is Task.DETECTION:
            assert case.boxes is not None
            known = {thing["index"]: thing["box"] for thing in made.record["objects"]}
            assert case.boxes.tolist() == [known[target] for target in targets_of(case.instruction)]
        if case.task is Task.SEMANTIC:
            assert np.array_equal(case.classes, made.classes)
        if case.task is Task.CAPTION:
            assert case.captions == tuple(made.record["captions"])


def test_as_many_expressions_are_asked_for_as_wanted_half_of_them_to_be_marked(scenes: Path) -> None:
    cases = scene_cases(scenes, "val", frames=2, phrasings=PHRASINGS, expressions=7)
    kinds = {Task.SEGMENTATION: 4, Task.DETECTION: 3, Task.SEMANTIC: 1, Task.CAPTION: 1}
    assert Counter(case.task for case in cases) == {task: 2 * count for task, count in kinds.items()}
    asked = [case.image_key for case in cases if case.task in (Task.SEGMENTATION, Task.DETECTION)]
    assert asked == 7 * ["val-0000000"] + 7 * ["val-0000004"]


def test_questions_follow_from_the_seed(scenes: Path) -> None:
    first, again, other = (
        [case.instruction for case in scene_cases(scenes, "val", frames=8, phrasings=PHRASINGS, seed=seed)]
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_held_out_questions_ask_for_unknown_objects_only(scenes: Path) -> None:
    cases = scene_cases(scenes, "val", frames=8, phrasings=PHRASINGS, held_out_only=True)
    asked = [case for case in cases if case.task in (Task.SEGMENTATION, Task.DETECTION)]
    assert len(asked) == 32
    assert all("the bowl" in case.instruction for case in asked)


def test_a_missing_split_says_how_to_render_it(scenes: Path) -> None:
    with pytest.raises(ConfigError, match="--split heldout"):
        scene_cases(scenes, "heldout", frames=1, phrasings=PHRASINGS)


def test_photographs_give_boxes_for_every_expression_and_masks_that_lie_in_them() -> None:
    cases = photograph_cases(PHRASINGS)
    count = Counter(case.task for case in cases)
    assert count[Task.DETECTION] >= count[Task.SEGMENTATION] > 0
    assert count[Task.CAPTION] > 0
    for case in cases:
        height, width = case.image.shape[:2]
        if case.mask is not None:
            assert case.mask.shape == (height, width)
        if case.boxes is not None and len(case.boxes):
            assert (case.boxes >= 0).all()
            assert (case.boxes[:, 2:] > case.boxes[:, :2]).all()
            assert (case.boxes <= np.array([width, height, width, height])).all()
