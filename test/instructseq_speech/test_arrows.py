"""What listening and the simulation may import."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROS = r"rclpy|\w+_msgs|std_srvs|instructseq\.msg|instructseq_ros"


def importers(folder: str, package: str) -> set[str]:
    imports = re.compile(rf"^\s*(from|import) ({package})\b", re.MULTILINE)
    return {path.name for path in (ROOT / folder).rglob("*.py") if imports.search(path.read_text())}


@pytest.mark.parametrize("package", ["instructseq_cli", "instructseq_training", "instructseq_sim"])
def test_listening_imports_neither_program_nor_training(package: str) -> None:
    assert importers("instructseq_speech", package) == set()


def test_of_listening_only_the_node_knows_ros() -> None:
    assert importers("instructseq_speech", ROS) == {"node.py"}


def test_the_simulation_does_not_import_the_program() -> None:
    assert importers("instructseq_sim", "instructseq_cli|instructseq_speech") == set()


def test_of_the_simulation_only_node_and_messages_know_ros() -> None:
    assert importers("instructseq_sim", ROS) == {"messages.py", "node.py"}


@pytest.mark.parametrize("folder", ["instructseq_model", "instructseq_ros", "training"])
def test_nothing_below_imports_them(folder: str) -> None:
    assert importers(folder, "instructseq_speech|instructseq_sim") == set()
