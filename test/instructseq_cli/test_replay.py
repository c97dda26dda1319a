"""`instructseq replay` with the shipped checkpoint: results, exit codes, and what it refuses."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from instructseq_cli.main import app

TABLE = Path(__file__).parents[2] / "demo" / "table"

pytestmark = pytest.mark.skipif(not os.environ.get("AMENT_PREFIX_PATH"), reason="no ROS 2 environment in this shell")


def replay(*arguments: str, tmp_path: Path, instructions: str) -> tuple[int, str]:
    (tmp_path / "ask.yaml").write_text(instructions)
    given = ["replay", *arguments, "--instructions", str(tmp_path / "ask.yaml"), "--out", str(tmp_path / "out")]
    shown = CliRunner().invoke(app, given)
    return shown.exit_code, " ".join(shown.output.split())


@pytest.mark.nightly
def test_the_demo_bag_is_scored_and_compared_with_itself(tmp_path):
    asked = """
period: 1
instructions:
  - {id: heels, say: "Where are the black high heels?", meant: detection, targets: [black high heels]}
"""
    bag = str(TABLE)
    code, shown = replay(bag, "--truth", "scene:/truth", tmp_path=tmp_path, instructions=asked)
    assert code == 0, shown
    first = (tmp_path / "out" / "summary.json").read_bytes()
    (tmp_path / "out").rename(tmp_path / "old")
    code, shown = replay(
        bag, "--truth", "scene:/truth", "--against", str(tmp_path / "old"), tmp_path=tmp_path, instructions=asked
    )
    assert code == 0, shown
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary.pop("differences")[0]["pairs"] == summary["frames"] >= 5
    assert summary == json.loads(first)
    assert "Compared with old" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.nightly
def test_a_damaged_bag_gives_exit_code_3(tmp_path):
    cut = tmp_path / "cut.mcap"
    content = (TABLE / "table.mcap").read_bytes()
    cut.write_bytes(content[: len(content) // 3])
    asked = """
period: 1
cameras: [/camera/image/compressed]
instructions: [{id: heels, say: "Where are the black high heels?"}]
"""
    code, shown = replay(str(cut), tmp_path=tmp_path, instructions=asked)
    assert code == 3
    assert "not read: cut.mcap: the file is cut off" in shown
    assert "Not everything could be read" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--engine", "spark"], "there is no engine 'spark'"),
        (["--truth", "mask"], "names no truth"),
        (["--truth", "scene:/truth"], "does not say what is meant"),
        (["--realtime", "--engine", "ray"], "--realtime plays to one node"),
        (["--checkpoint", "no/such/folder"], "no/such/folder"),
    ],
)
def test_what_cannot_be_is_refused_before_a_model_is_loaded(tmp_path, arguments, complaint):
    asked = "instructions: [{id: a, say: b}]"
    code, shown = replay(str(TABLE), *arguments, tmp_path=tmp_path, instructions=asked)
    assert code == 2
    assert complaint in shown
