"""Examples: which expressions are drawn and what their answers are."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from instructseq_model.perception import Task
from instructseq_training.examples import boxes_of, draw_expressions, referring_example
from instructseq_training.instructions import load_instruction_set

SAID: dict[str, Any] = {
    "width": 40,
    "height": 20,
    "objects": [
        {"index": 1, "box": [20, 10, 40, 20]},
        {"index": 2, "box": [0, 0, 10, 10]},
    ],
    "expressions": [{"text": f"the mug {n}", "kind": "name", "targets": [1]} for n in range(9)]
    + [{"text": "both mugs", "kind": "all", "targets": [1, 2]}],
}


def test_boxes_are_parts_of_the_image_from_left_to_right() -> None:
    assert boxes_of(SAID, [1, 2]) == ((0.0, 0.0, 0.25, 0.5), (0.5, 0.5, 1.0, 1.0))
    assert boxes_of(SAID, []) == ()


def test_kinds_are_drawn_evenly_however_many_wordings_they_have() -> None:
    drawn = draw_expressions(SAID, 2000, kind_weights={}, max_targets=6, rng=random.Random(0))
    assert 900 < Counter(e["kind"] for e in drawn)["all"] < 1100


def test_weights_favour_a_kind_and_too_many_targets_are_left_out() -> None:
    drawn = draw_expressions(SAID, 1000, kind_weights={"name": 3.0}, max_targets=6, rng=random.Random(0))
    assert 680 < Counter(e["kind"] for e in drawn)["name"] < 820
    alone = draw_expressions(SAID, 50, kind_weights={}, max_targets=1, rng=random.Random(0))
    assert {e["kind"] for e in alone} == {"name"}


def test_only_segmentation_has_a_colour_and_the_words_name_it() -> None:
    phrasings = load_instruction_set("train")
    for seed in range(40):
        for task in (Task.SEGMENTATION, Task.DETECTION):
            example = referring_example(
                SAID, SAID["expressions"][-1], task=task, phrasings=phrasings, rng=random.Random(seed)
            )
            assert "both mugs" in example.instruction
            assert bool(example.colour) == (task is Task.SEGMENTATION)
            assert example.colour in example.instruction or example.colour == "green"
            assert len(example.boxes) == 2
