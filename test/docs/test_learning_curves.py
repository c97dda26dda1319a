"""Learning curves from the logs that lie beside the checkpoint."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from documentation.learning_curves import draw, read_parts, smoothed  # noqa: E402


def test_parts_follow_one_another_in_hours(tmp_path: Path) -> None:
    for number, minutes in enumerate(([3, 30], [6, 12])):
        rows = [json.dumps({"step": 1, "minutes": at, "heat": 1.0}) for at in minutes]
        (tmp_path / f"{number}.jsonl").write_text("\n".join(rows))
    parts = read_parts(sorted(tmp_path.glob("*.jsonl")))
    assert [[row["at"] for row in rows] for rows in parts] == [[0.05, 0.5], [0.6, pytest.approx(0.7)]]


def test_a_single_outlier_is_smoothed_away_and_the_length_kept() -> None:
    assert smoothed([1.0, 1.0, 9.0, 1.0, 2.0, 2.0, 2.0], width=3) == [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]


def test_the_shipped_logs_make_a_picture_that_shows_something(tmp_path: Path) -> None:
    draw(sorted((ROOT / "checkpoints" / "household").glob("training-log-*.jsonl")), tmp_path / "made" / "curves.png")
    pixels = np.asarray(Image.open(tmp_path / "made" / "curves.png").convert("L"))
    assert pixels.shape[1] > 1000
    assert 0.01 < (pixels < 200).mean() < 0.5
