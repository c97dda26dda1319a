"""Tables from end to end with a small model: what is written, and that two processes measure what one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from instructseq_training.evaluation.tables.household import HouseholdSuite
from instructseq_training.evaluation.tables.public import READERS, PublicSuite
from instructseq_training.evaluation.tables.run import TableSettings, run

SETTINGS = TableSettings(samples=2)
KEYS = {"dataset", "split", "task", "metric", "ours", "paper", "n", "ci95"}


def rows(out: Path, number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((out / f"table-{number}.json").read_text())
    return found


@pytest.fixture(scope="module")
def written(scenes: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables 1 and 4 of the small model."""
    out = tmp_path_factory.mktemp("tables")
    run([1, 4], suite=HouseholdSuite(scenes), models={"default": checkpoint}, out=out, settings=SETTINGS)
    return out


def test_every_row_has_ours_beside_the_papers(written: Path) -> None:
    found = rows(written, 1)
    assert all(set(row) >= KEYS for row in found)
    semantic = found[0]
    assert (semantic["metric"], semantic["n"]) == ("miou", 4)
    assert (semantic["paper"], semantic["paper_dataset"]) == (47.22, "coco_stuff")
    for row in found:
        if row["metric"] != "meteor" and row["ours"] is not None and row["ci95"] is not None:
            assert 0 <= row["ci95"][0] <= row["ci95"][1]
    assert {row["metric"] for row in found if row["ours"] is None} <= {"meteor", "ece"}


def test_the_markdown_has_a_line_a_row_and_names_the_papers_dataset(written: Path) -> None:
    text = (written / "table-1.md").read_text()
    assert "## Table 1: Main results" in text
    assert "47.22 (coco_stuff)" in text
    assert sum(line.startswith("| default |") for line in text.splitlines()) == len(rows(written, 1))


def test_table_4_has_a_curve_and_one_row_a_number_of_samples(written: Path) -> None:
    found = [row for row in rows(written, 4) if row["metric"] == "oiou"]
    assert [row["samples"] for row in found] == [1, 4, 6, 8, 10]
    assert [row["paper"] for row in found] == [53.07, 57.59, 58.01, 58.94, 59.60]
    with Image.open(written / "table-4-samples.png") as picture:
        assert picture.size[0] > 400


def test_a_calibration_diagram_lies_beside_tables_with_an_ece(written: Path) -> None:
    assert {path.name for path in written.glob("*calibration.png")} == {f"table-{n}-calibration.png" for n in (1, 4)}


def test_a_model_that_is_not_given_is_named_with_its_recipe_and_has_no_number(
    scenes: Path, checkpoint: Path, tmp_path: Path
) -> None:
    run([6], suite=HouseholdSuite(scenes), models={"default": checkpoint}, out=tmp_path, settings=SETTINGS)
    missing = [row for row in rows(tmp_path, 6) if row["model"] == "images-only"]
    assert len(missing) == 2
    for row in missing:
        assert (row["ours"], row["ci95"], row["n"]) == (None, None, 0)
        assert "config/training/household-images-only.yaml" in row["note"]
    assert "not given: train with" in (tmp_path / "table-6.md").read_text()


def test_missing_datasets_are_named_and_have_no_numbers(checkpoint: Path, tmp_path: Path) -> None:
    run([1], suite=PublicSuite(tmp_path, READERS), models={"default": checkpoint}, out=tmp_path, settings=SETTINGS)
    found = rows(tmp_path, 1)
    assert all(row["ours"] is None for row in found)
    assert "ADEChallengeData2016" in next(row["note"] for row in found if row["dataset"] == "ade20k")


def unmeasured(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("ours", "ci95")}


def test_two_processes_give_the_numbers_of_one(scenes: Path, checkpoint: Path, written: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    command += [sys.executable, "-c", "from instructseq_cli.main import app; app()", "tables", "--table", "4"]
    command += ["--data", str(scenes), "--model", f"default={checkpoint}", "--samples", "2", "--out", str(tmp_path)]
    threads = {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=os.environ | threads, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    assert any(row["ours"] for row in rows(written, 4))  # equal nothings would show nothing
    found, expected = rows(tmp_path, 4), rows(written, 4)
    assert [unmeasured(row) for row in found] == [unmeasured(row) for row in expected]
    for row, other in zip(found, expected, strict=True):  # numbers are rounded to four places
        assert row["ours"] == pytest.approx(other["ours"], abs=2e-4)
        assert row["ci95"] == pytest.approx(other["ci95"], abs=2e-4)
    assert done.stdout.count("Number of samples") == 1  # only the first process prints
