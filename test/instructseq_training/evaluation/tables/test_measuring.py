"""Scores of measured rows: what is counted, what has an interval, and what is said without Java."""

from __future__ import annotations

import pytest

from instructseq_training.evaluation import captions, java
from instructseq_training.evaluation.tables import measuring
from instructseq_training.evaluation.tables.measuring import Measured, score

CAPTIONS = [["a mug on a table", ["a red mug on a table"]], ["two cats", ["two cats sleep"]]]


def test_cases_that_a_metric_is_not_about_are_not_counted() -> None:
    measured = Measured(images=["a", "b", "c"], rows={"n_acc": [[1, 1], None, [0, 1]]})
    found = score(measured, "n_acc")
    assert (found.value, found.count, found.interval) == (0.5, 2, (0.0, 1.0))


def test_no_case_of_the_sort_gives_no_number_and_says_so() -> None:
    found = score(Measured(images=["a"], rows={"n_acc": [None]}), "n_acc")
    assert (found.value, found.count) == (None, 0)
    assert "no case of this sort" in found.note


def test_without_java_meteor_is_left_out_and_the_rest_says_how_it_was_tokenised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measuring, "has_java", lambda: False)
    monkeypatch.setattr(captions, "has_java", lambda: False)
    measured = Measured(images=["a", "b"], rows={"meteor": CAPTIONS, "bleu1": CAPTIONS})
    left_out, taken = score(measured, "meteor"), score(measured, "bleu1")
    assert (left_out.value, left_out.note) == (None, java.JAVA_MISSING)
    assert taken.value == pytest.approx(2.718281828 ** (1 - 9 / 7))  # all words right, nine wanted, seven given
    assert taken.note == java.JAVA_MISSING
