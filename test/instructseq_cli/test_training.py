"""`instructseq train model`: a plan without data, and what is missing without a plan."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from instructseq_cli.main import app

RECIPE = Path(__file__).resolve().parents[2] / "config" / "training" / "paper" / "base-mae.yaml"


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner(env={"COLUMNS": "120", "NO_COLOR": "1"})


def test_a_dry_run_tells_parameters_memory_tokens_and_time(runner):
    shown = runner.invoke(app, ["train", "model", str(RECIPE), "--dry-run", "--gpu", "a100", "--gpus", "4"])
    assert shown.exit_code == 0
    for part in ("trained parameters", "memory of a GPU", "of 80 GB", "tokens a step", "time"):
        assert part in shown.stdout


def test_training_without_data_says_what_makes_them(runner):
    shown = runner.invoke(app, ["train", "model", str(RECIPE)])
    assert shown.exit_code == 2
    assert "needs --vqvae" in shown.stderr
