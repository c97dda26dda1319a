"""The demo's summary: the fields that are promised, right numbers, wrong answers that cost."""

from dataclasses import replace

import numpy as np
import pytest

from instructseq_cli.demo.summary import class_score, summarise, unanswered, verdict
from instructseq_model.label_sets import label_set
from instructseq_model.perception import Task


def test_perfect_answers_score_one_and_everything_is_counted(acts, course):
    summary = summarise(acts, course)
    counts = ("frames_in", "frames_processed", "masks", "detections", "captions", "confidence_images")
    assert [summary[name] for name in counts] == [9, 12, 6, 3, 3, 9]
    assert summary["oiou"] == summary["ap50"] == summary["inputs"]["table"]["miou"] == 1.0
    assert summary["latency_ms"]["p50"] == 1500.0
    assert (summary["rmw"], summary["ros_distro"]) == ("rmw_test", "kilted")
    assert summary["unanswered"] == []


def test_an_answer_of_the_wrong_kind_counts_as_empty(acts, course):
    wrong = [
        replace(answer, perception=replace(answer.perception, task=Task.CAPTION, mask=None, caption="a mug"))
        if answer.ask.task == Task.SEGMENTATION
        else answer
        for answer in course.answers
    ]
    summary = summarise(acts, replace(course, answers=tuple(wrong)))
    assert summary["oiou"] == 0.0
    assert summary["inputs"]["table"]["task_as_meant"] == pytest.approx(0.75)


def test_only_answers_to_questions_for_classes_count_as_classes(acts, course):
    instead = [
        replace(answer, perception=replace(answer.perception, task=Task.SEMANTIC, label_set=label_set("ade20k")))
        if answer.ask.task == Task.SEMANTIC
        else answer
        for answer in course.answers
    ]
    assert class_score(instead) == 0.0
    assert class_score([answer for answer in course.answers if answer.ask.task != Task.SEMANTIC]) is None


def test_an_instruction_without_an_answer_is_named(acts, course):
    some = tuple(answer for answer in course.answers if answer.ask.task != Task.CAPTION)
    assert [ask.text for _, ask in unanswered(acts, some)] == ["describe it"]
    assert summarise(acts, replace(course, answers=some))["unanswered"] == ["describe it"]


def test_without_any_answer_nothing_is_invented(acts, course):
    summary = summarise(acts, replace(course, answers=()))
    assert summary["oiou"] is None
    assert summary["ap50"] is None
    assert summary["latency_ms"] == {"p50": None, "p95": None}


def test_every_answer_has_its_verdict(course):
    verdicts = {answer.ask.task: verdict(answer) for answer in course.answers}
    assert verdicts[Task.SEMANTIC] == "mean IoU of the classes 1.00"
    assert verdicts[Task.SEGMENTATION] == "IoU with the true mask 1.00"
    assert verdicts[Task.DETECTION] == "IoU with the true box 1.00"
    assert verdicts[Task.CAPTION] == "names 1 of 1 objects: coffee mug"


def test_half_a_mask_scores_half(acts, course):
    half = []
    for answer in course.answers:
        if answer.ask.task == Task.SEGMENTATION:
            mask = np.array(answer.perception.mask)
            mask[15:] = 0
            half.append(replace(answer, perception=replace(answer.perception, mask=mask)))
    assert summarise(acts, replace(course, answers=tuple(half)))["oiou"] == 0.5
