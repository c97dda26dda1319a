"""Scores of whole methods: a perfect one, a silent one, and the baselines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from instructseq_model.perception import Task
from instructseq_training.evaluate import markdown
from instructseq_training.evaluation.answers import Answer
from instructseq_training.evaluation.cases import Case, shuffled
from instructseq_training.evaluation.report import intervals, scores


def cases() -> list[Case]:
    mask = np.zeros((8, 8), bool)
    mask[:4, :4] = True
    image = np.zeros((8, 8, 3), np.uint8)
    return [
        Case(image=image, instruction="mark it", task=Task.SEGMENTATION, mask=mask, kind="name"),
        Case(
            image=image + 1,
            instruction="mark nothing",
            task=Task.SEGMENTATION,
            mask=np.zeros((8, 8), bool),
            kind="none",
        ),
        Case(image=image, instruction="box it", task=Task.DETECTION, boxes=np.array([[0.0, 0, 4, 4]]), kind="name"),
        Case(image=image, instruction="classes", task=Task.SEMANTIC, classes=mask.astype(np.uint8)),
        Case(image=image, instruction="say", task=Task.CAPTION, captions=("a red mug on a wooden table",)),
    ]


def perfect(case: Case) -> Answer:
    caption = case.captions[0] if case.captions else None
    return Answer(task=case.task, mask=case.mask, boxes=case.boxes, classes=case.classes, caption=caption)


def test_a_perfect_method_scores_one_everywhere() -> None:
    found = scores(cases(), [perfect(case) for case in cases()])
    for name in ("res_oiou", "rec_ap50", "rec_exact", "semantic_miou", "bleu4", "routing", "no_target_accuracy"):
        assert found[name] == pytest.approx(1.0), name


def test_silence_scores_nothing_but_the_empty_answer() -> None:
    found = scores(cases(), [Answer() for _ in cases()])
    assert found["res_oiou"] == 0
    assert found["rec_ap50"] == 0
    assert found["semantic_miou"] == 0
    assert found["routing"] == 0
    assert found["no_target_accuracy"] == 1


def test_half_a_mask_has_half_the_iou_by_hand() -> None:
    given = [perfect(case) for case in cases()]
    half = np.zeros((8, 8), bool)
    half[:2, :4] = True
    given[0] = Answer(task=Task.SEGMENTATION, mask=half)
    assert scores(cases(), given)["res_oiou"] == pytest.approx(8 / 16)


def test_shuffling_takes_the_words_of_another_image_of_the_same_task() -> None:
    mixed = shuffled(cases())
    assert [case.task for case in mixed] == [case.task for case in cases()]
    assert mixed[0].instruction == "mark nothing"
    assert mixed[1].instruction == "mark it"


def test_the_table_has_a_row_a_method_and_a_dash_for_what_was_not_measured() -> None:
    table = markdown([{"method": "model", "split": "(a)", "res_oiou": 0.5, "routing": 1.0}])
    assert "| model | (a) | 50.0 | – | – | – | 100.0 |" in table


def test_intervals_hold_the_score_and_are_a_point_where_all_images_agree() -> None:
    some = [replace(case, image_key=str(number)) for number in range(30) for case in cases()[:1]]
    same = intervals(some, [perfect(case) for case in some])
    assert same == {"res_oiou_ci95": [1.0, 1.0]}
    given = [perfect(case) if number % 3 else Answer() for number, case in enumerate(some)]
    low, high = intervals(some, given)["res_oiou_ci95"]
    assert 0.4 < low < scores(some, given)["res_oiou"] < high < 0.9


def test_the_table_shows_half_of_the_interval() -> None:
    row = {"method": "model", "split": "new", "res_oiou": 0.424, "res_oiou_ci95": [0.36, 0.48], "rec_ap50": 0.5}
    assert "| model | new | 42.4 ± 6 | 50.0 | – |" in markdown([row])
