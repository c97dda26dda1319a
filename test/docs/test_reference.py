"""The reference says what the program says; a change of the one without the other fails here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from instructseq_ros.parameters import PARAMETERS

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from documentation.reference import FOLDER, PAGES, main  # noqa: E402


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_what_would_be_written(page: str) -> None:
    held, made = (FOLDER / page).read_text(encoding="utf-8"), PAGES[page]()
    assert held == made, "run: python scripts/documentation/reference.py"


def test_every_parameter_has_its_row() -> None:
    text = PAGES["parameters.md"]()
    assert [spec.name for spec in PARAMETERS if f"\n| `{spec.name}` |" not in text] == []


def test_every_field_of_every_message_has_its_row() -> None:
    text = PAGES["messages.md"]()
    for file in [*(ROOT / "msg").glob("*.msg"), *(ROOT / "action").glob("*.action")]:
        for line in file.read_text(encoding="utf-8").splitlines():
            held = line.partition("#")[0].split(maxsplit=1)
            if len(held) == 2:
                assert f"| `{held[1].strip()}` | `{held[0]}` |" in text


def test_the_pages_name_no_folder_of_one_machine() -> None:
    assert [name for name, make in PAGES.items() if str(ROOT) in make() or str(Path.home()) in make()] == []


def test_a_page_that_is_outdated_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("documentation.reference.FOLDER", tmp_path)
    assert main(["--check"]) == 1
    assert "parameters.md is outdated" in capsys.readouterr().out
    assert main([]) == 0
    assert main(["--check"]) == 0
