"""Calibration curves and their file."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from instructseq_model.calibration import Absence, Calibration, Curve, load_calibration
from instructseq_model.checkpoint import load_weights, save_calibration
from instructseq_model.classing import Classing
from instructseq_model.errors import CheckpointError
from instructseq_model.marking import Marking
from instructseq_model.outlining import Outlining

CHECKPOINT = Path(__file__).resolve().parents[2] / "checkpoints" / "household"
CURVE = Curve(said=(0.2, 0.6), right=(0.1, 0.5))
DAMAGED = '{"single": {}, "several": {}, "absence": {"detection": {"threshold": "x", "said": [0.1], "right": [0.2]}}}'

UNWEIGHED = (
    '{"single": {}, "several": {}, "marking": {"single": {"painted": "1", "pointed": 1, "bias": 0, "threshold": 0.5}}}'
)


def test_a_curve_is_linear_between_its_points_and_constant_beyond_them() -> None:
    found = CURVE(np.array([0.0, 0.2, 0.3, 0.6, 1.0]))
    np.testing.assert_allclose(found, [0.1, 0.1, 0.2, 0.5, 0.5])


def test_a_curve_keeps_shape_and_precision() -> None:
    found = CURVE(np.full((2, 3), 0.4, np.float32))
    assert found.shape == (2, 3)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("said", "right"),
    [((), ()), ((0.5, 0.5), (0.1, 0.2)), ((0.1, 0.5), (0.3, 0.2)), ((0.1,), (0.1, 0.2)), ((0.1,), (1.5,))],
)
def test_what_is_no_rising_curve_is_refused(said: tuple[float, ...], right: tuple[float, ...]) -> None:
    with pytest.raises(CheckpointError, match="no calibration curve"):
        Curve(said=said, right=right)


def test_one_sequence_and_several_have_curves_of_their_own_and_what_has_none_stays() -> None:
    calibration = Calibration(single={"semantic": CURVE}, several={"detection": CURVE})
    values = np.array([0.4])
    assert calibration(values, of="semantic", samples=1)[0] == pytest.approx(0.3)
    assert calibration(values, of="semantic", samples=10)[0] == 0.4
    assert calibration(values, of="detection", samples=2)[0] == pytest.approx(0.3)
    assert calibration(values, of="detection", samples=1)[0] == 0.4


def test_nothing_is_the_answer_from_its_threshold_on_and_nowhere_without_one() -> None:
    calibration = Calibration(absence={"detection": Absence(threshold=0.25, curve=CURVE)})
    assert [calibration.is_nothing(said, of="detection") for said in (0.24, 0.25)] == [False, True]
    assert not calibration.is_nothing(1.0, of="segmentation")
    assert calibration.absence_of(0.3, of="detection") == pytest.approx(0.2)
    assert calibration.absence_of(0.3, of="segmentation") == 0.3


@pytest.mark.parametrize("threshold", [0.0, -0.5, 1.5, float("nan")])
def test_what_is_no_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(CheckpointError, match="no threshold"):
        Absence(threshold=threshold, curve=CURVE)


def test_a_file_without_thresholds_has_none(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text('{"single": {}, "several": {}}')
    assert load_calibration(tmp_path / "calibration.json") == Calibration()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    calibration = Calibration(single={"semantic": CURVE}, several={"segmentation": CURVE})
    marking = {"single": Marking(painted=0.25, pointed=0.5, bias=-1.0, threshold=0.375)}
    calibration = replace(
        calibration,
        absence={"detection": Absence(threshold=0.25, curve=CURVE)},
        marking=marking,
        outlining={"several": Outlining(threshold=-1.5)},
        classing={"single": Classing(bonus=1.25)},
    )
    calibration.save(tmp_path / "calibration.json")
    assert load_calibration(tmp_path / "calibration.json") == calibration


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"single": {}}',
        '{"single": {"semantic": 1}, "several": {}}',
        '{"single": {}, "several": {}, "absence": 3}',
        '{"single": {}, "several": {}, "marking": {"single": {"painted": 1.0}}}',
        '{"single": {}, "several": {}, "marking": {"single": 3}}',
        '{"single": {}, "several": {}, "outlining": {"single": {"threshold": "x"}}}',
        '{"single": {}, "several": {}, "classing": {"single": {"bonus": null}}}',
        UNWEIGHED,
        DAMAGED,
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "calibration.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"calibration\.json is no calibration"):
        load_calibration(tmp_path / "calibration.json")


def test_a_checkpoint_takes_a_calibration_and_checks_its_hash(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(CHECKPOINT, folder)
    save_calibration(folder, Calibration(single={"semantic": CURVE}))
    load_weights(folder)
    with (folder / "calibration.json").open("a") as file:
        file.write(" ")
    with pytest.raises(CheckpointError, match=r"calibration\.json is damaged or was changed"):
        load_weights(folder)
