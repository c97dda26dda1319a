"""The program as a whole: quick help, one red line for what the user can mend, arguments of the node."""

import resource
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from instructseq_cli import perceive as perceive_command
from instructseq_cli.main import app
from instructseq_cli.node import ros_arguments
from instructseq_model.errors import CheckpointError

COMMANDS = ("perceive", "node", "say", "listen", "hearing", "sim", "scenes", "train", "tables", "bench", "info")


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner(env={"COLUMNS": "120", "NO_COLOR": "1"})


def test_help_names_every_command(runner):
    shown = runner.invoke(app, ["--help"])
    assert shown.exit_code == 0
    assert all(command in shown.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_in_its_help(runner, command):
    shown = runner.invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert f"instructseq {command}" in shown.stdout


def _processor_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['instructseq', '--help']\n"
        "from instructseq_cli.main import app\n"
        "try: app()\n"
        "except SystemExit: pass\n"
        "print('HEAVY', sorted({'torch', 'transformers', 'timm', 'mujoco', 'rclpy'} & set(sys.modules)))"
    )
    before = _processor_seconds_of_children()
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.strip().endswith("HEAVY []")
    assert _processor_seconds_of_children() - before < 3  # it takes half a second


def test_an_error_is_one_line_with_exit_code_two(runner, tmp_path):
    shown = runner.invoke(app, ["perceive", str(tmp_path / "no.jpg"), "mark the mug"])
    assert shown.exit_code == 2
    assert shown.stderr == f"error: there is no file {tmp_path / 'no.jpg'}: check the path\n"


def test_debug_shows_where_the_error_came_from(runner, tmp_path):
    shown = runner.invoke(app, ["--debug", "info", str(tmp_path / "nowhere")])
    assert isinstance(shown.exception, CheckpointError)


@pytest.mark.parametrize("instruction", ["", "  \n"])
def test_an_empty_instruction_is_refused(runner, tmp_path, instruction):
    shown = runner.invoke(app, ["perceive", str(tmp_path / "no.jpg"), instruction])
    assert shown.exit_code == 2
    assert "the instruction is empty" in shown.stderr


def test_an_unknown_task_is_refused_before_the_model_is_loaded(runner, tmp_path, monkeypatch, picture_file):
    monkeypatch.setattr(perceive_command, "load_perceiver", lambda *_, **__: pytest.fail("loaded"))
    shown = runner.invoke(app, ["perceive", str(picture_file), "mark it", "--task", "painting"])
    assert shown.exit_code == 2
    assert "semantic, segmentation, detection, caption" in shown.stderr


def test_an_unknown_checkpoint_is_refused(runner, picture_file):
    shown = runner.invoke(app, ["perceive", str(picture_file), "mark it", "--checkpoint", "not-there"])
    assert shown.exit_code == 2
    assert "there is no checkpoint 'not-there'" in shown.stderr


def test_the_node_gets_what_was_given_and_the_users_own_arguments_last():
    extra = ["--ros-args", "-p", "device:=cuda"]
    given = {"checkpoint": "/models/a", "image_transport": "compressed", "device": None}
    assert ros_arguments(given, image="/camera/image", extra=extra) == [
        *("--ros-args", "-p", "checkpoint:=/models/a", "-p", "image_transport:=compressed"),
        *("-r", "image:=/camera/image"),
        *extra,
    ]


def test_without_options_the_node_is_left_to_its_parameter_files():
    assert ros_arguments({"checkpoint": None}, image=None, extra=[]) == ["--ros-args"]
