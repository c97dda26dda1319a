"""What counts as an instruction, before any model sees it."""

from __future__ import annotations

from instructseq_model.errors import InstructionError

MAX_CHARACTERS = 1000
"""Longest instruction, in characters; the phrases that the model was trained on have less than a hundred."""

# What both rclpy and Python's decoders put in the place of bytes that are not UTF-8.
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def clean_instruction(text: str) -> str:
    """The instruction without the white space around it; empty if there is nothing else.

    Args:
        text: as it came from a message, a parameter or a person.

    Raises:
        InstructionError: too long, or not text that was sent as UTF-8.
    """
    if len(text) > MAX_CHARACTERS:
        raise InstructionError(
            f"the instruction has {len(text)} characters and at most {MAX_CHARACTERS} are read: say it in one sentence"
        )
    if _REPLACEMENT in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InstructionError("the instruction is not valid UTF-8: send it as UTF-8 text")
    return text.strip()
