"""Instructions with what they ask for, made from the phrasings: the data that routing is trained and measured on.

The words for objects are chosen so that single words do not give the task away: "the can of green paint" may be asked
for in a box, "the photo frame" in a mask, "the mask" in either.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from instructseq_model.errors import ConfigError
from instructseq_model.palette import NAMED_COLOURS
from instructseq_model.perception import Task
from instructseq_training.instructions import Phrasing, fill, load_instruction_set

INTENTS_DIR = Path(__file__).resolve().parent.parent / "config" / "intents"


@dataclass(frozen=True, kw_only=True)
class Intent:
    """One instruction and what it asks for.

    Attributes:
        text: the instruction as a person would give it.
        label_set: for semantic instructions the label set they ask for, else None.
    """

    text: str
    task: Task
    label_set: str | None


def load_intents(split: Literal["train", "held_out"], *, fillings: int = 4, seed: int = 0) -> tuple[Intent, ...]:
    """The instructions of one split; `held_out` shares neither phrasings nor expressions with `train`.

    Args:
        split: which phrasings and which expressions.
        fillings: how many instructions to make of each phrasing that takes an expression; the others make one.
        seed: decides expressions and colours; the same seed gives the same instructions.

    Returns:
        Distinct instructions in the order of the phrasings. Training ones come also as speech recognition would write
        them, in lower case and without punctuation.

    Raises:
        ConfigError: there is no such split, or its file holds no list of expressions.
    """
    expressions = _read_expressions(INTENTS_DIR / f"{split}.yaml")
    generator = random.Random(seed)
    texts: dict[str, Intent] = {}
    for phrasing in load_instruction_set(split):
        for text in _fillings(phrasing, expressions, count=fillings, generator=generator):
            for variant in (text, spoken(text)) if split == "train" else (text,):
                intent = Intent(text=variant, task=phrasing.task, label_set=phrasing.label_set)
                texts.setdefault(variant, intent)
    return tuple(texts.values())


def spoken(text: str) -> str:
    """The text as speech recognition writes it: lower case, no punctuation but apostrophes and hyphens.

    >>> spoken("Where's the mug? Box it, please.")
    "where's the mug box it please"
    """
    kept = "".join(letter if letter.isalnum() or letter in "'-" else " " for letter in text.lower())
    return " ".join(word for word in kept.split() if word.strip("'-"))


def _fillings(phrasing: Phrasing, expressions: Sequence[str], *, count: int, generator: random.Random) -> list[str]:
    if "{object}" not in phrasing.text:
        return [phrasing.text]
    chosen = generator.sample(expressions, k=min(count, len(expressions)))
    return [fill(phrasing, expression=words, colour=generator.choice(sorted(NAMED_COLOURS))) for words in chosen]


def _read_expressions(file: Path) -> list[str]:
    if not file.is_file():
        raise ConfigError(f"there is no split {file.stem!r}; take train or held_out")
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    expressions = content.get("expressions") if isinstance(content, dict) else None
    if not isinstance(expressions, list) or not all(isinstance(text, str) and text for text in expressions):
        raise ConfigError(f"{file} must hold a list of texts under the key expressions")
    return expressions
