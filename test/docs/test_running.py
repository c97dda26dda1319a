"""The runner of the pages' commands: failures are seen, what is left running runs, and ends with the page."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from documentation.commands import Block, When, blocks, run, words  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "env.sh").write_text("export GREETING=hello\n")
    return tmp_path


def block(code: str, title: str = "") -> Block:
    return Block(page=Path("page.md"), line=1, language="bash", title=title, code=code)


def test_blocks_of_a_page_are_found_with_their_titles(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text('a\n```bash title="takes a minute"\none \\\n  two # why\n```\n\n  ```text\n  tree\n  ```\n')
    first, second = blocks(page)
    assert (first.line, first.language, first.when) == (2, "bash", When.NIGHTLY)
    assert [words(command) for command in first.commands] == [["one", "two"]]
    assert (second.language, second.code) == ("text", "tree")


def test_a_title_that_says_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"page\.md:1"):
        assert block("true", "not run by the tests").when


def test_blocks_run_in_order_in_the_set_up_shell(folder: Path) -> None:
    run([block("echo $GREETING > said"), block("test $(cat said) = hello")], folder, seconds=20)


def test_a_failing_line_fails_the_block_with_its_output(folder: Path) -> None:
    with pytest.raises(AssertionError, match=r"(?s)ended with 3.*no such mug"):
        run([block("(echo no such mug; exit 3)\ntrue")], folder, seconds=20)


def test_a_block_that_takes_too_long_is_ended(folder: Path) -> None:
    with pytest.raises(AssertionError, match="more than 1 s"):
        run([block("sleep 60")], folder, seconds=1)


def test_what_is_left_running_runs_beside_the_rest_and_ends_with_it(folder: Path) -> None:
    beat = block("while true; do date >> beat; sleep 0.1; done", "leave it running")
    run([beat, block("test -s beat")], folder, seconds=20)
    held = (folder / "beat").read_text()
    time.sleep(0.5)
    assert (folder / "beat").read_text() == held


def test_what_should_run_on_but_ends_is_a_failure(folder: Path) -> None:
    with pytest.raises(AssertionError, match="ended by itself"):
        run([block("exit 0", "leave it running"), block("sleep 1")], folder, seconds=20)
