"""Plots: what is drawn is read back from the figure's file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructseq_model.perception import Task
from instructseq_training.evaluation.answers import Answer
from instructseq_training.evaluation.calibration import reliability
from instructseq_training.evaluation.cases import Case
from instructseq_training.evaluation.tables.measuring import Score
from instructseq_training.evaluation.tables.plots import draw_calibration, draw_confidence, draw_curve
from instructseq_training.evaluation.tables.specification import load_table
from instructseq_training.evaluation.tables.writing import Result

BLUE = np.array([31, 119, 180])
"""Matplotlib's first colour."""


def share_of(file: Path, colour: np.ndarray) -> float:
    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    return float((np.abs(pixels - colour).max(-1) < 12).mean())


def test_sure_is_purple_and_unsure_is_yellow(tmp_path: Path) -> None:
    case = Case(image=np.zeros((30, 40, 3), np.uint8), instruction="classes", task=Task.SEMANTIC)
    shares = {}
    for sure in (0.0, 1.0):
        given = np.full((30, 40), sure, np.float32)
        answer = Answer(classes=np.zeros((30, 40), np.uint8), label_set="household", confidence=given)
        draw_confidence(case, answer, tmp_path / "c.png")
        shares[sure] = [share_of(tmp_path / "c.png", np.array(rgb)) for rgb in ((253, 231, 37), (68, 1, 84))]
    assert shares[0.0][0] > 0.1 > shares[0.0][1]
    assert shares[1.0][1] > 0.1 > shares[1.0][0]


def test_bars_of_a_calibration_diagram_are_as_high_as_the_accuracy(tmp_path: Path) -> None:
    areas = []
    for right in (0.25, 0.75):
        sure = np.linspace(0, 0.999, 4000)
        found = reliability(sure, np.arange(4000) % 4 < 4 * right)
        sums = np.concatenate([found.counts, found.confidence_sums, found.correct_counts]).astype(float)
        draw_calibration(sums, tmp_path / "d.png")
        areas.append(share_of(tmp_path / "d.png", BLUE))
    assert areas[1] == pytest.approx(3 * areas[0], rel=0.15)


def test_the_curve_leaves_out_what_was_not_measured(tmp_path: Path) -> None:
    table = load_table(4, suite="household")
    drawn = []
    for value in (None, 0.5):
        results = [
            Result(row=row, samples=row.samples or 1, paper=paper, score=Score(value=value, count=1))
            for row, paper in zip(table.rows, table.paper, strict=True)
            if row.metric == "miou"
        ]
        draw_curve(results, tmp_path / "curve.png")
        drawn.append(share_of(tmp_path / "curve.png", BLUE))
    assert drawn[0] < drawn[1]
