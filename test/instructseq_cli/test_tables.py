"""`instructseq tables`: what it refuses, and what it says where data or models are missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from instructseq_cli.main import app


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--suite", "kitchen"], "there is no suite 'kitchen': give one of household, coco"),
        (["--model", "template"], "must be NAME=FOLDER"),
        (["--model", "template=nowhere"], "there is no checkpoint 'nowhere'"),
    ],
)
def test_wrong_options_are_one_line_with_what_to_do(
    runner: CliRunner, options: list[str], said: str, tmp_path: Path
) -> None:
    shown = runner.invoke(app, ["tables", "--out", str(tmp_path), *options])
    assert shown.exit_code == 2
    assert said in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_without_a_model_the_papers_column_stands_alone_with_how_to_get_ours(runner: CliRunner, tmp_path: Path) -> None:
    shown = runner.invoke(app, ["tables", "--suite", "coco", "--table", "3", "--out", str(tmp_path)])
    assert shown.exit_code == 0, shown.stderr
    assert "| 68.70 | – [1] |" in shown.stdout
    assert "[1] not given: train with" in shown.stdout
    (row, *_) = json.loads((tmp_path / "table-3.json").read_text())
    assert (row["paper"], row["ours"], row["n"]) == (68.7, None, 0)
