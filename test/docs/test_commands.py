"""Every command of the documentation is run, or says in sight of its readers why not; none names what is not there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from instructseq_cli.main import app

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from documentation.commands import Block, When, blocks, clone, pages, run, words  # noqa: E402

PAGES = pages()
ALL = [block for page in PAGES for block in blocks(page)]
SHELL = [block for block in ALL if block.language == "bash"]
PROGRAMS = (
    "instructseq ",
    "ros2 ",
    "scripts/",
    "python ",
    "pip ",
    "docker ",
    "torchrun ",
    "curl ",
    "colcon ",
    "rosdep ",
)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
each_shell_block = pytest.mark.parametrize("block", SHELL, ids=lambda block: f"{block.page.name}:{block.line}")


def chosen(page: Path, *kinds: When) -> list[Block]:
    return [block for block in blocks(page) if block.language == "bash" and block.when in kinds]


def test_there_are_commands() -> None:
    assert len(SHELL) > 20
    assert {block.when for block in SHELL} == set(When)


@each_shell_block
def test_the_title_says_when_it_is_run(block: Block) -> None:
    assert block.when in When
    assert block.commands


@each_page
def test_commands_stand_in_bash_blocks_only(page: Path) -> None:
    hidden = [
        f"{block.line}: {line}"
        for block in blocks(page)
        if block.language != "bash"
        for line in block.code.splitlines()
        if line.strip().startswith(PROGRAMS)
    ]
    assert hidden == [], "begin such a block with ```bash; scripts/documentation/commands.py says how to title it"


@each_shell_block
def test_commands_and_options_exist(block: Block) -> None:
    for line in block.commands:
        said = words(line)
        if said[:1] == ["instructseq"]:
            check_call(said[1:])


def check_call(said: list[str]) -> None:
    """Follow the words of a call through the commands, and look its options up."""
    command: Any = typer.main.get_command(app)
    while said and said[0] in getattr(command, "commands", {}):
        command = command.commands[said[0]]
        said = said[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    if "--ros-args" in said:
        said = said[: said.index("--ros-args")]
    unknown = [word for word in said if word.startswith("--") and word.partition("=")[0] not in known]
    assert unknown == [], f"{command.name} has no such option"
    assert not getattr(command, "commands", {}) or said[:1] in ([], ["--help"]), f"{command.name} has no command {said}"


@each_shell_block
def test_scripts_and_files_that_commands_name_exist(block: Block) -> None:
    named = {
        word
        for line in block.commands
        for word in words(line)
        if word.startswith(("scripts/", "config/", "docs/", "docker/", "checkpoints/", "test/"))
    }
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if chosen(page, When.ALWAYS)],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_the_pages_commands_work(page: Path, tmp_path: Path) -> None:
    with clone(tmp_path) as folder:
        run(chosen(page, When.ALWAYS), folder, seconds=280)


@pytest.mark.nightly
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if chosen(page, When.NIGHTLY, When.BACKGROUND)],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_the_pages_long_commands_work(page: Path, tmp_path: Path) -> None:
    with clone(tmp_path) as folder:
        run(chosen(page, When.ALWAYS, When.NIGHTLY, When.BACKGROUND), folder, seconds=3600)
