import pytest

from instructseq_model.perception import Task
from instructseq_training.evaluation.routes import routing_scores

HOUSEHOLD, ADE20K = (Task.SEMANTIC, "household"), (Task.SEMANTIC, "ade20k")
CAPTION, DETECTION = (Task.CAPTION, None), (Task.DETECTION, None)


def test_scores_match_hand_count() -> None:
    pairs = [(HOUSEHOLD, HOUSEHOLD), (HOUSEHOLD, ADE20K), (CAPTION, ADE20K), (CAPTION, CAPTION), (DETECTION, CAPTION)]
    scores = routing_scores(pairs)
    assert scores.count == 5
    assert scores.task_accuracy == pytest.approx(3 / 5)
    assert scores.label_set_accuracy == pytest.approx(1 / 3)
    assert scores.accuracy == pytest.approx(2 / 5)
    assert scores.mistakes == {(ADE20K, HOUSEHOLD): 1, (ADE20K, CAPTION): 1, (CAPTION, DETECTION): 1}


def test_label_set_beside_another_task_is_not_looked_at() -> None:
    scores = routing_scores([((Task.CAPTION, "household"), CAPTION)])
    assert scores.accuracy == 1
    assert scores.label_set_accuracy is None


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        routing_scores([])
