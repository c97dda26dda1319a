"""Who may import whom."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMPORTS = re.compile(r"^\s*(?:from|import) ([a-z_]+)(?:\.([a-z_]+))?", re.MULTILINE)


def imports_of(folder: Path) -> set[tuple[str, str]]:
    return {found for path in folder.rglob("*.py") for found in IMPORTS.findall(path.read_text(encoding="utf-8"))}


def test_replay_is_imported_by_the_command_line_alone():
    for package in ("instructseq_model", "instructseq_ros", "instructseq_bench", "training"):
        assert "instructseq_replay" not in {name for name, _ in imports_of(ROOT / package)}


def test_replay_knows_of_the_training_only_how_it_scores():
    own = imports_of(ROOT / "instructseq_replay")
    assert {part for name, part in own if name == "instructseq_training"} == {"evaluation"}
    assert "instructseq_cli" not in {name for name, _ in own}


@pytest.mark.parametrize("package", ["rclpy", "sensor_msgs", "instructseq"])
def test_ros_is_imported_where_bags_are_played_in_real_time_and_nowhere_else(package):
    for path in (ROOT / "instructseq_replay").rglob("*.py"):
        if path.parent.name != "realtime":
            assert package not in {name for name, _ in IMPORTS.findall(path.read_text(encoding="utf-8"))}, path
