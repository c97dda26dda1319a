"""What people say to the robot: sentences made of the phrasings of config/instructions and things of a household.

A recogniser listens best for what it expects. config/speech/english.yaml says how things are spoken of; the phrasings
are those that the model was trained on. Both are read when the recogniser starts: add a line, and it is expected.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from instructseq_speech.errors import SpeechError

FILE = Path("speech") / "english.yaml"
PHRASINGS = Path("instructions") / "train"
PARTICULAR_LABELS = ("coco_stuff", "ade20k")
"""Phrasings that name label sets nobody would say aloud."""

_SLOT = re.compile(r"\{(\w+)\}")
_NOT_SPOKEN = re.compile(r"[^a-z' ]+")


@dataclass(frozen=True, kw_only=True)
class SpokenEnglish:
    """How things are spoken of, as read from config/speech/english.yaml.

    Attributes:
        patterns: noun phrases with slots, such as "the {colour} {thing}"; each is as probable as any other.
        slots: what may stand in each slot.
        commands: whole sentences beside the phrasings, such as "stop".
        pronunciations: of words that the dictionary lacks, in ARPAbet.
    """

    patterns: tuple[str, ...]
    slots: Mapping[str, tuple[str, ...]]
    commands: tuple[str, ...]
    pronunciations: Mapping[str, str]


def config_folder() -> Path:
    """The folder `config` of the repository, or that of an installed ROS package.

    Raises:
        SpeechError: there is neither.
    """
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    shares = [Path(prefix) / "share" / "instructseq" / "config" for prefix in prefixes if prefix]
    for folder in (Path(__file__).resolve().parents[1] / "config", *shares):
        if (folder / FILE).is_file():
            return folder
    raise SpeechError(f"config/{FILE} was found neither beside the program nor in a ROS package: install it again")


def read_english(file: Path) -> SpokenEnglish:
    """Read how things are spoken of.

    Raises:
        SpeechError: the file is missing, is no YAML, or a pattern has a slot that is not filled.
    """
    try:
        raw: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        english = SpokenEnglish(
            patterns=tuple(raw["patterns"]),
            slots={name: tuple(dict.fromkeys(words)) for name, words in raw["slots"].items()},
            commands=tuple(raw["commands"]),
            pronunciations=dict(raw["pronunciations"]),
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise SpeechError(
            f"cannot read {file} ({error!r}): it needs patterns, slots, commands, pronunciations"
        ) from error
    unknown = {slot for pattern in english.patterns for slot in _SLOT.findall(pattern)} - set(english.slots)
    if unknown or not english.patterns:
        raise SpeechError(f"{file}: no words are given for the slots {sorted(unknown)}; add them under `slots`")
    return english


def read_phrasings(folder: Path) -> tuple[str, ...]:
    """The phrasings of a folder like config/instructions/train, with {object} and {color} in them.

    Raises:
        SpeechError: the folder holds none.
    """
    files = [file for file in sorted(folder.glob("*.yaml")) if not file.stem.endswith(PARTICULAR_LABELS)]
    found = tuple(text for file in files for text in yaml.safe_load(file.read_text(encoding="utf-8"))["phrasings"])
    if not found:
        raise SpeechError(f"{folder} holds no phrasings (*.yaml): name a folder like config/instructions/train")
    return found


def spoken_words(text: str) -> list[str]:
    """A text as it is said: lower case, no punctuation."""
    return _NOT_SPOKEN.sub(" ", text.lower().replace("’", "'")).split()


def with_object(phrasing: str, words: str) -> str:
    """Put the words for an object where {object} stands, with one article."""
    if re.search(r"\bthe \{object\}", phrasing, re.IGNORECASE):
        words = re.sub(r"^the ", "", words)
    return phrasing.replace("{object}", words)


def sentences(
    phrasings: Sequence[str], english: SpokenEnglish, *, each: int, seed: int, prefixes: Sequence[str] = ()
) -> Iterator[list[str]]:
    """Sentences to expect.

    Args:
        phrasings: with {object} and {color}.
        english: how things are spoken of.
        each: so many sentences are made of a phrasing with a slot; one without comes as often, to be as probable.
        seed: of the choice of things.
        prefixes: words that a sentence may begin with, such as the robot's name; half of all sentences do then.
    """
    chance = random.Random(seed)
    for phrasing in (*phrasings, *english.commands):
        for number in range(each):
            text = _filled(phrasing, english, chance)
            prefix = chance.choice(prefixes) if prefixes and number % 2 else ""
            yield spoken_words(f"{prefix} {text}")


def _filled(phrasing: str, english: SpokenEnglish, chance: random.Random) -> str:
    text = phrasing.replace("{color}", chance.choice(english.slots["colour"]))
    if "{object}" not in text:
        return text
    pattern = chance.choice(english.patterns)
    words = _SLOT.sub(lambda slot: chance.choice(english.slots[slot[1]]), pattern)
    return with_object(text, words)
