"""The package as pip and colcon see it."""

import importlib
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "name",
    [
        "instructseq_model",
        "instructseq_ros",
        "instructseq_bench",
        "instructseq_speech",
        "instructseq_sim",
        "instructseq_replay",
        "instructseq_cli",
        "instructseq_training",
    ],
)
def test_the_modules_come_from_this_clone(name: str) -> None:
    assert Path(str(importlib.import_module(name).__file__)).is_relative_to(ROOT)


def test_pip_and_ros_agree_on_the_version() -> None:
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    declared = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)

    assert declared is not None
    assert manifest.findtext("version") == declared[1]


def test_the_program_is_installed_beside_python() -> None:
    program = Path(sys.executable).with_name("instructseq")

    assert "from instructseq_cli.main import app" in program.read_text()


def test_no_module_has_the_name_of_the_generated_one() -> None:
    assert not (ROOT / "instructseq").exists()
    assert not (ROOT / "instructseq.py").exists()


@pytest.mark.parametrize(
    "package", ["instructseq_ros", "instructseq_training", "instructseq_bench", "instructseq_cli", "rclpy"]
)
def test_the_model_does_not_import(package: str) -> None:
    imports = re.compile(rf"^\s*(from|import) {package}\b", re.MULTILINE)
    offenders = [path for path in (ROOT / "instructseq_model").rglob("*.py") if imports.search(path.read_text())]

    assert offenders == []


def test_every_locked_package_has_one_version_for_this_python() -> None:
    requirements = pytest.importorskip("packaging.requirements")
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    locked = [requirements.Requirement(line) for line in lines]
    names = [entry.name for entry in locked if entry.marker is None or entry.marker.evaluate()]

    assert sys.version_info >= (3, 10)
    assert len(names) == len(set(names))
    assert all(str(entry.specifier).startswith("==") for entry in locked)
