"""`instructseq data` as a person uses it."""

import re

import pytest
from typer.testing import CliRunner

from instructseq_cli.main import app

from ..instructseq_training.datasets import generate


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner(env={"COLUMNS": "160", "NO_COLOR": "1"})


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    generate.refcoco_family(folder)
    generate.fss1000(folder, sizes=(1, 240, 1), images=10)
    return folder


def test_check_says_what_is_there_and_where_to_get_the_rest(runner, root):
    shown = runner.invoke(app, ["data", "check", str(root)])
    assert shown.exit_code == 0
    assert re.search(r"fss-1000 +│ val +│ complete +│ 2400 images, 240 classes", shown.stdout)
    assert re.search(r"refcoco +│ train +│ other counts +│ 2 images, 3 refs, 5", shown.stdout)
    assert re.search(r"ade20k +│ val +│ missing", shown.stdout)
    assert "ADEChallengeData2016.zip" in shown.stdout


def test_only_a_required_dataset_makes_it_fail(runner, root):
    assert runner.invoke(app, ["data", "check", str(root), "--dataset", "ade20k"]).exit_code == 0
    shown = runner.invoke(app, ["data", "check", str(root), "--dataset", "ade20k", "--require", "ade20k"])
    assert shown.exit_code == 1
    assert "required, but not complete: ade20k" in shown.stdout


def test_check_of_an_unknown_dataset_or_folder_is_one_red_line(runner, root):
    shown = runner.invoke(app, ["data", "check", str(root), "--dataset", "pascal"])
    assert shown.exit_code == 2
    assert "there is no dataset 'pascal'" in shown.stderr
    assert runner.invoke(app, ["data", "check", str(root / "nowhere")]).exit_code == 2


def test_shard_says_what_it_dropped_and_goes_on(runner, root, tmp_path):
    command = ["data", "shard", str(root), str(tmp_path), "--dataset", "refcocog", "--dataset", "fss-1000"]
    shown = runner.invoke(app, command)
    assert shown.exit_code == 0
    assert "refcocog: 2 of 3 training images dropped" in shown.stdout
    assert "refcocog train: 1 images in 1 shards" in shown.stdout
    times = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.tar")}
    assert len(times) == 2
    assert runner.invoke(app, command).exit_code == 0
    assert {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.tar")} == times


@pytest.mark.parametrize("command", [[], ["check"], ["shard"]])
def test_help_has_an_example(runner, command):
    shown = runner.invoke(app, ["data", *command, "--help"])
    assert shown.exit_code == 0
    assert "instructseq data" in shown.stdout
