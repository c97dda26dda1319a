"""std_msgs/String: whatever a person, a speech recogniser or a broken program may say."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random

from instructseq_model.text import TextTokenizer
from instructseq_ros.instruction_text import MAX_CHARACTERS, clean_instruction

from .mutation import text

TOKENIZER = Path(__file__).parents[3] / "checkpoints" / "household" / "tokenizer.json"


def make(random: Random) -> str:
    """A text."""
    return text(random)


def feed(said: str) -> None:
    """What is taken is text that can be sent and tokenized."""
    instruction = clean_instruction(said)
    assert len(instruction) <= MAX_CHARACTERS
    assert instruction == instruction.strip()
    assert instruction.encode("utf-8").decode("utf-8") == instruction
    assert all(0 <= token < tokenizer().size for token in tokenizer().encode(instruction))


@cache
def tokenizer() -> TextTokenizer:
    """The shipped checkpoint's."""
    return TextTokenizer.load(TOKENIZER)
