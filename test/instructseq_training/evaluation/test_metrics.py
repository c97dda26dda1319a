from instructseq_training.evaluation import metrics


def test_every_promised_score_can_be_had_from_one_place() -> None:
    assert [name for name in metrics.__all__ if not hasattr(metrics, name)] == []
    assert metrics.__all__ == sorted(metrics.__all__)
