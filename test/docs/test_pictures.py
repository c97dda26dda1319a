"""Pictures in the documentation are made by a script, none by hand."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from documentation.commands import pages  # noqa: E402
from documentation.pictures import ANSWERS, DESK, LEARNING_CURVES, OF_THE_DEMO, missing  # noqa: E402


def test_every_picture_that_is_shown_is_made_by_the_build() -> None:
    shown = {name for page in pages() for name in re.findall(r"images/([\w.-]+)\)", page.read_text(encoding="utf-8"))}
    assert shown <= {DESK, OF_THE_DEMO, LEARNING_CURVES, *ANSWERS}
    assert shown >= set(ANSWERS)


def test_every_picture_that_is_shown_is_there() -> None:
    assert missing() == []


def test_the_tutorial_asks_what_its_pictures_answer() -> None:
    tutorial = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    assert [words for words in ANSWERS.values() if f'"{words}"' not in tutorial] == []
