"""scripts/env.sh gives any bash shell the virtual environment, ROS 2 and the workspace."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATHS = ("PATH", "AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH", "PYTHONPATH")

needs_setup = pytest.mark.skipif(
    not (ROOT / ".venv" / "instructseq-ros").is_file(), reason="the clone is not set up: scripts/setup.sh"
)


def bash(script: str, *, folder: Path) -> subprocess.CompletedProcess[str]:
    bare = {"PATH": os.defpath, "HOME": str(folder)}
    return subprocess.run(["bash", "-c", script], cwd=folder, env=bare, capture_output=True, text=True, check=False)


@needs_setup
def test_a_strict_shell_in_another_folder_finds_python_and_the_messages(tmp_path: Path) -> None:
    done = bash(
        f'set -eu; . "{ROOT}/scripts/env.sh"; command -v python; '
        'python -c "from instructseq.msg import Perception; import rclpy; print(Perception.KIND_MAP)"',
        folder=tmp_path,
    )

    assert done.stdout.splitlines() == [str(ROOT / ".venv" / "bin" / "python"), "map"], done.stderr


@needs_setup
def test_a_second_time_changes_nothing_and_options_stay(tmp_path: Path) -> None:
    shown = "".join(f'echo "${{{name}:-}}"; ' for name in PATHS)
    source = f'. "{ROOT}/scripts/env.sh"; {shown} echo "$-"; echo =; '
    once, twice = bash(f"set -eu; {source} {source}", folder=tmp_path).stdout.split("=\n")[:2]

    assert twice == once
    assert {"e", "u"} <= set(once.splitlines()[-1])


def test_a_clone_that_is_not_set_up_says_what_to_run(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "env.sh").write_text((ROOT / "scripts" / "env.sh").read_text())

    done = bash('. scripts/env.sh && echo reached; echo "code $?"', folder=tmp_path)

    assert done.stdout == "code 1\n"
    assert f"run {tmp_path}/scripts/setup.sh" in done.stderr
