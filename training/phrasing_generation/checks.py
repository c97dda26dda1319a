"""What a phrasing must be before it is taken: text of one line, with its placeholders, English, for its own task."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from instructseq_model.perception import Task
from instructseq_training.instructions import Phrasing, placeholder_fault
from instructseq_training.phrasing_generation.kinds import Kind

LONGEST = 160
"""Characters; the instruction encoder cuts long ones off."""

WORDS_OF_OTHER_TASKS = {
    Task.SEGMENTATION: r"\b(bounding|bbox|rectangle|coordinates?|coords|corners?|xyxy)\b",
    Task.DETECTION: r"\b(masks?|silhouette|segment\w*|paint|shade|tint|fill)\b",
    Task.CAPTION: r"\b(masks?|segment\w*|bounding|bbox|rectangle|coordinates?|pixels?)\b",
    Task.SEMANTIC: r"\b(bounding|bbox|rectangle|coordinates?|caption|describe)\b",
}
"""Words that ask for another task's answer; the reviewed phrasings hold none of them."""

_LABEL_SET_NAMES = {"coco_stuff": r"coco", "ade20k": r"\bade"}
_LETTERS = re.compile(r"[^\W\d_]")


def english_words(phrasings: Iterable[str]) -> frozenset[str]:
    """The words of reviewed phrasings, in lower case: what new ones are compared with to be taken for English."""
    return frozenset(word for text in phrasings for word in _words(text))


def fault(entry: Any, kind: Kind, *, english: frozenset[str]) -> str | None:
    """Why an entry of an answer is no phrasing of its kind, in a few words; None if it is one.

    Args:
        entry: anything that JSON can hold.
        kind: what it was asked for.
        english: as `english_words` returns it.
    """
    if not isinstance(entry, str) or not entry.strip():
        return "not text"
    if not entry.isprintable():
        return "line breaks or control characters"
    if len(entry) > LONGEST:
        return "too long"
    if placeholder_fault(Phrasing(text=entry, task=kind.task, label_set=kind.label_set)) is not None:
        return "wrong placeholders"
    if not _is_english(entry, english):
        return "not English"
    if re.search(WORDS_OF_OTHER_TASKS[kind.task], entry, re.IGNORECASE):
        return "asks for another task"
    return None if _names_its_label_set(entry, kind) else "wrong label set"


def _names_its_label_set(text: str, kind: Kind) -> bool:
    if kind.task != Task.SEMANTIC:
        return True
    named = {name for name, pattern in _LABEL_SET_NAMES.items() if re.search(pattern, text, re.IGNORECASE)}
    return named == ({kind.label_set} & set(_LABEL_SET_NAMES))


def _is_english(text: str, english: frozenset[str]) -> bool:
    """Latin letters, and no more unknown words than known ones; one unknown word may always be there."""
    letters = _LETTERS.findall(text)
    if not letters or sum(letter.isascii() for letter in letters) < 0.95 * len(letters):
        return False
    words = _words(text)
    unknown = sum(word not in english for word in words)
    return unknown <= max(1, len(words) // 2)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)?", re.sub(r"\{\w+\}", " ", text.lower().replace("’", "'")))
