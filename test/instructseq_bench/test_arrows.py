"""What the bench may import."""

import re
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "instructseq_bench"


@pytest.mark.parametrize("package", ["instructseq_cli", "instructseq_training"])
def test_the_bench_imports_neither_program_nor_training(package: str) -> None:
    imports = re.compile(rf"^\s*(from|import) {package}\b", re.MULTILINE)
    assert [path for path in BENCH.rglob("*.py") if imports.search(path.read_text())] == []


@pytest.mark.parametrize("package", ["rclpy", "instructseq_ros", "sensor_msgs"])
def test_only_its_node_part_knows_ros(package: str) -> None:
    imports = re.compile(rf"^\s*(from|import) {package}\b", re.MULTILINE)
    found = {path.parent.name for path in BENCH.rglob("*.py") if imports.search(path.read_text())}
    assert found == {"node"}
