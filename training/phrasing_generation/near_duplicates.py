"""Which phrasings say nearly the same in nearly the same letters, by normalised edit distance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

WITHIN_A_SET = 0.15
"""Least distance of two phrasings of one set: less is the same words with a typo or another full stop."""

BETWEEN_SETS = 0.25
"""Least distance of a held-out phrasing from any trained on: typo variants and a changed word in six lie below it."""


def normalised(text: str) -> str:
    """A phrasing as it is compared: lower case, letters and digits, each placeholder one character."""
    text = text.lower().replace("{object}", "§").replace("{color}", "¤")
    return " ".join(re.sub(r"[^a-z0-9§¤ ]", " ", text).split())


def distance(one: str, other: str) -> float:
    """Insertions, deletions and replacements between two phrasings, over the length of the longer; 0 to 1."""
    return Levenshtein.normalized_distance(normalised(one), normalised(other))


def distances(some: Sequence[str], others: Sequence[str]) -> NDArray[np.float32]:
    """`distance` of every one of N phrasings to every one of M: N x M."""
    return cdist(
        [normalised(text) for text in some],
        [normalised(text) for text in others],
        scorer=Levenshtein.normalized_distance,
        dtype=np.float32,
    )


class SeenPhrasings:
    """Phrasings taken so far, to compare new ones with.

    Args:
        inside: phrasings of the set that is extended; `WITHIN_A_SET` is kept to them and to what is added.
        outside: phrasings of the other split; `BETWEEN_SETS` is kept to them.
    """

    def __init__(self, inside: Iterable[str], *, outside: Iterable[str] = ()) -> None:
        self._inside = [normalised(text) for text in inside]
        self._outside = [normalised(text) for text in outside]

    def add(self, text: str) -> None:
        """Take a phrasing in."""
        self._inside.append(normalised(text))

    def is_near(self, text: str) -> bool:
        """Whether a phrasing is too near to one of the same set."""
        return _any_nearer(normalised(text), self._inside, least=WITHIN_A_SET)

    def is_near_other_split(self, text: str) -> bool:
        """Whether a phrasing is too near to one of the other split."""
        return _any_nearer(normalised(text), self._outside, least=BETWEEN_SETS)


def _any_nearer(text: str, others: Sequence[str], *, least: float) -> bool:
    return any(Levenshtein.normalized_distance(text, other) < least for other in others)
