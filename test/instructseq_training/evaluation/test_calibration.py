import numpy as np
import pytest
import torch
from torchmetrics.classification import BinaryCalibrationError

from instructseq_training.evaluation.calibration import expected_calibration_error, reliability

GENERATOR = np.random.default_rng(3)


def test_error_agrees_with_torchmetrics() -> None:
    confidence = GENERATOR.random((40, 50)).astype(np.float32)
    correct = GENERATOR.random((40, 50)) < confidence**2
    metric = BinaryCalibrationError(n_bins=15, norm="l1")
    expected = metric(torch.from_numpy(confidence).flatten(), torch.from_numpy(correct).flatten().int())
    assert expected_calibration_error(confidence, correct) == pytest.approx(float(expected), abs=1e-6)


def test_error_matches_hand_count() -> None:
    confidence = [0.9, 0.9, 0.9, 0.9, 0.2, 0.2]
    correct = [True, True, True, False, False, True]
    assert expected_calibration_error(confidence, correct, bins=2) == pytest.approx((4 * 0.15 + 2 * 0.3) / 6)


def test_images_add_up() -> None:
    confidence, correct = GENERATOR.random((2, 30, 30)), GENERATOR.random((2, 30, 30)) < 0.7
    total = reliability(confidence[0], correct[0]) + reliability(confidence[1], correct[1])
    assert total.error == pytest.approx(expected_calibration_error(confidence, correct))
    assert total.counts.sum() == 1800


def test_both_ends_have_a_bin() -> None:
    bins = reliability([0.0, 1.0, 0.5], [False, True, True], bins=2)
    assert bins.counts.tolist() == [1, 2]
    assert expected_calibration_error([0.0, 1.0], [False, True]) == 0


def test_bad_confidences_are_refused() -> None:
    for bad in ([1.1], [-0.1], [float("nan")]):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            reliability(bad, [True])
    with pytest.raises(ValueError, match="2 values"):
        reliability([0.1, 0.2], [True])
    with pytest.raises(ValueError, match="at least one pixel"):
        expected_calibration_error([], [])
