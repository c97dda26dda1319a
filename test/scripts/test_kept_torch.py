"""A torch that is there before is never replaced: not by the scripts, and not by pip."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "kept_torch.sh"


def bash(script: str) -> str:
    done = subprocess.run(
        ["bash", "-euc", f'. "{SCRIPT}"; {script}'],
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def interpreter(folder: Path, *, torch: str = "") -> Path:
    """A virtual environment, with a package that passes for a torch of that version."""
    venv.create(folder, symlinks=True, with_pip=False)
    if torch:
        site = next(folder.glob("lib/python3*/site-packages"))
        (site / "torch").mkdir()
        (site / "torch" / "__init__.py").write_text(f"__version__ = {torch!r}\n")
        (site / f"torch-{torch}.dist-info").mkdir()
        (site / f"torch-{torch}.dist-info" / "METADATA").write_text(f"Name: torch\nVersion: {torch}\n")
    return folder / "bin" / "python"


def test_the_version_is_found_without_importing(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "own", torch="2.8.0+nv25")
    assert bash(f'torch_of "{python}"').strip() == "2.8.0+nv25"


def test_no_torch_is_an_empty_version(tmp_path: Path) -> None:
    assert bash(f'torch_of "{interpreter(tmp_path / "bare")}"').strip() == ""


def test_a_new_environment_shares_the_torch_that_was_there(tmp_path: Path) -> None:
    own, new = interpreter(tmp_path / "own", torch="2.8.0"), interpreter(tmp_path / "new")
    bash(f'share_torch "{own}" "{new}"')
    shown = subprocess.run(
        [new, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "2.8.0"


def test_the_lock_without_torch_has_all_the_rest() -> None:
    locked = (ROOT / "requirements.lock").read_text().splitlines()
    left = bash(f'without_torch "{ROOT / "requirements.lock"}"').splitlines()
    dropped = {re.split("==", line)[0] for line in locked if line not in left}
    assert {"torch", "torchvision", "triton", "nvidia-cublas"} <= dropped
    assert all(re.match(r"torch(vision)?$|triton$|nvidia-|cuda-", name) for name in dropped)
    assert any(line.startswith("torchmetrics==") for line in left)


def test_pip_is_asked_for_no_version_of_torch() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    required = re.findall(r'^    "(torch(?:vision)?)([^a-z"]*)",', text, re.MULTILINE)
    assert required == [("torch", ""), ("torchvision", "")]


def test_setup_drops_torch_from_everything_that_it_installs() -> None:
    setup = (ROOT / "scripts" / "setup.sh").read_text()
    installs = re.findall(r'^ *"\$\{installer\[@\]\}" (.*)$', setup, re.MULTILINE)
    assert len(installs) == 4
    assert not any("requirements.lock" in line for line in installs)


@pytest.fixture
def fresh_clone(tmp_path: Path) -> Path:
    """What setup reads, in a folder without an environment."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("requirements.lock", "pyproject.toml", "setup.py", "CMakeLists.txt", "package.xml"):
        shutil.copy(ROOT / name, clone / name)
    for name in ("scripts", "msg", "action", "underlay"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    return clone


def set_up(clone: Path, *, python: str = "") -> str:
    """What setup says until it wants to fetch the first package, which it may not here."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(clone), "PIP_NO_INDEX": "1"}
    if python:
        environment["PYTHON"] = python
    done = subprocess.run(
        [clone / "scripts/setup.sh"], env=environment, capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode != 0
    assert "installing the packages of requirements.lock" in done.stdout, done.stderr
    return done.stdout


def imported_torch(clone: Path) -> str:
    code = "import torch; print(torch.__version__)"
    done = subprocess.run([clone / ".venv/bin/python", "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def test_setup_keeps_the_torch_of_its_interpreter(fresh_clone: Path, tmp_path: Path) -> None:
    own = interpreter(tmp_path / "own", torch="9.9.0")
    assert "torch 9.9.0 is kept" in set_up(fresh_clone, python=str(own))
    assert imported_torch(fresh_clone) == "9.9.0"
    assert "torch==" not in (fresh_clone / ".venv/requirements.txt").read_text()


def test_setup_keeps_the_torch_of_an_environment_that_was_there(fresh_clone: Path) -> None:
    interpreter(fresh_clone / ".venv", torch="9.9.1")
    bare = Path(sys._base_executable)  # type: ignore[attr-defined]
    assert "torch 9.9.1 is kept" in set_up(fresh_clone, python=str(bare))
    assert imported_torch(fresh_clone) == "9.9.1"


def test_setup_installs_the_locked_torch_where_there_is_none(fresh_clone: Path, tmp_path: Path) -> None:
    assert "is kept" not in set_up(fresh_clone, python=str(interpreter(tmp_path / "bare")))
    assert not (fresh_clone / ".venv/requirements.txt").exists()
