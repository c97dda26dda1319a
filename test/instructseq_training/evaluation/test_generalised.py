"""gRefCOCO's scores against counts by hand and against a plain transcription of the published protocol."""

from __future__ import annotations

import numpy as np
import pytest

from instructseq_training.evaluation.generalised import generalised_scores

NOTHING = np.zeros((20, 20), bool)


def block(rows: int, columns: int, corner: int = 0) -> np.ndarray:
    mask = NOTHING.copy()
    mask[corner : corner + rows, corner : corner + columns] = True
    return mask


def protocol(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Sample by sample: true and false no-targets counted apart, small predictions emptied first."""
    ious, inner, outer = [], 0, 0
    told = {"TP": 0, "FN": 0, "TN": 0, "FP": 0}
    for predicted, true in pairs:
        if predicted.sum() < 50:
            predicted = np.zeros_like(predicted)
        says_nothing, is_nothing = not predicted.any(), not true.any()
        intersection, union = np.logical_and(predicted, true).sum(), np.logical_or(predicted, true).sum()
        if is_nothing and says_nothing:
            told["TP"] += 1
            ious.append(1.0)
        elif is_nothing:
            told["FN"] += 1
            ious.append(0.0)
            outer += union
        else:
            told["FP" if says_nothing else "TN"] += 1
            ious.append(intersection / union)
            inner, outer = inner + intersection, outer + union
    return {
        "g_iou": float(np.mean(ious)),
        "c_iou": inner / outer,
        "n_accuracy": told["TP"] / (told["TP"] + told["FN"]),
        "t_accuracy": told["TN"] / (told["TN"] + told["FP"]),
    }


def test_a_missed_no_target_adds_its_area_to_the_union() -> None:
    scores = generalised_scores([(block(10, 10), block(10, 10)), (block(10, 6), NOTHING)])
    assert scores.c_iou == pytest.approx(100 / 160)
    assert scores.g_iou == pytest.approx(0.5)
    assert scores.n_accuracy == 0


def test_a_recognised_no_target_adds_nothing_to_the_union_and_one_to_the_mean() -> None:
    scores = generalised_scores([(block(10, 10), block(10, 20)), (NOTHING, NOTHING)])
    assert scores.c_iou == pytest.approx(0.5)
    assert scores.g_iou == pytest.approx(0.75)
    assert (scores.n_accuracy, scores.t_accuracy) == (1, 1)


@pytest.mark.parametrize(("pixels", "recognised"), [(49, 1.0), (50, 0.0)])
def test_under_fifty_pixels_is_empty(pixels: int, recognised: float) -> None:
    few = NOTHING.copy()
    few.ravel()[:pixels] = True
    assert generalised_scores([(few, NOTHING)]).n_accuracy == recognised


def test_agrees_with_the_protocol_on_random_masks() -> None:
    generator = np.random.default_rng(5)
    pairs = []
    for _ in range(60):
        predicted, true = (block(*generator.integers(0, 16, 2), int(generator.integers(0, 5))) for _ in range(2))
        pairs.append((predicted, true if generator.random() < 0.6 else NOTHING))
    expected = protocol(pairs)
    found = generalised_scores(pairs)
    assert 0 < expected["n_accuracy"] < 1  # both kinds of mistakes are among them
    assert 0 < expected["t_accuracy"] < 1
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value), name
