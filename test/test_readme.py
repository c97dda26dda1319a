"""The README names no parameter, command, file or option that is not there."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from instructseq_cli.main import app
from instructseq_ros.parameters import PARAMETERS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(
    set(re.findall(r"instructseq ([a-z]+)(?= |`|$)", "\n".join(re.findall(r"```.*?```|`.*?`", README, re.DOTALL))))
)


def test_the_parameters_it_names_exist():
    named = re.search(r"met\s+first are (.*?)\.\n", README, re.DOTALL)
    assert named is not None
    assert set(re.findall(r"`(\w+)`", named[1])) <= {spec.name for spec in PARAMETERS}


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_every_link_leads_to_a_file(link):
    assert (ROOT / link).exists()


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "instructseq"])
def test_every_command_exists(command):
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
