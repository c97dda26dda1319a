"""Instructions that are taken, emptied and refused."""

from __future__ import annotations

import pytest

from instructseq_model.errors import InstructionError
from instructseq_ros.instruction_text import MAX_CHARACTERS, clean_instruction


def test_white_space_around_is_dropped() -> None:
    assert clean_instruction("  mark the mug\n") == "mark the mug"


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_nothing_but_white_space_is_empty(text: str) -> None:
    assert clean_instruction(text) == ""


def test_other_scripts_are_text() -> None:
    assert clean_instruction("标记杯子 café") == "标记杯子 café"


def test_longest_instruction_is_taken_and_one_more_character_refused() -> None:
    assert len(clean_instruction("a" * MAX_CHARACTERS)) == MAX_CHARACTERS
    with pytest.raises(InstructionError, match="1001 characters and at most 1000"):
        clean_instruction("a" * (MAX_CHARACTERS + 1))


@pytest.mark.parametrize("data", [b"mark \xff\xfe the mug", b"\xc3"])
def test_text_that_was_not_utf8_is_refused(data: bytes) -> None:
    with pytest.raises(InstructionError, match="not valid UTF-8"):
        clean_instruction(data.decode("utf-8", "replace"))
    with pytest.raises(InstructionError, match="not valid UTF-8"):
        clean_instruction(data.decode("utf-8", "surrogateescape"))
