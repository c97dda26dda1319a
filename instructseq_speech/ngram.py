"""A trigram language model with Witten-Bell smoothing, counted from sentences and written in the ARPA format."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "<s>", "</s>"
ORDER = 3
NEVER = -99.0
"""Logarithm of the probability of what cannot come, as the ARPA format writes it."""

Gram = tuple[str, ...]


@dataclass(frozen=True)
class NgramModel:
    """Probabilities of words after at most two others (Witten and Bell, 1991; interpolated).

    Attributes:
        probabilities: of the last word of each n-gram after the words before it, by n-gram.
        backoffs: factor for words that never followed, by history.
    """

    probabilities: dict[Gram, float]
    backoffs: dict[Gram, float]

    @property
    def words(self) -> tuple[str, ...]:
        """The vocabulary without the marks of begin and end, sorted."""
        return tuple(sorted(gram[0] for gram in self.probabilities if len(gram) == 1 and gram[0] not in (BEGIN, END)))

    def probability(self, word: str, history: Sequence[str]) -> float:
        """Of a word after others, in [0, 1]; 0 for a word outside the vocabulary."""
        past = tuple(history[-(ORDER - 1) :])
        gram = (*past, word)
        if gram in self.probabilities:
            return self.probabilities[gram]
        if not past:
            return 0.0
        return self.backoffs.get(past, 1.0) * self.probability(word, past[1:])


def count_ngrams(sentences: Iterable[Sequence[str]]) -> NgramModel:
    """Estimate a model.

    Args:
        sentences: lists of words, without marks of begin and end.

    Raises:
        ValueError: there is no word at all.
    """
    followers: dict[Gram, Counter[str]] = defaultdict(Counter)
    for sentence in sentences:
        marked = (BEGIN, *sentence, END)
        for at in range(1, len(marked)):
            for length in range(min(at, ORDER - 1) + 1):
                followers[marked[at - length : at]][marked[at]] += 1
    if not set(followers[()]) - {END}:
        raise ValueError("no sentence has a word")
    probabilities: dict[Gram, float] = {}
    backoffs: dict[Gram, float] = {}
    for history in sorted(followers, key=len):  # shorter histories first: longer ones interpolate with them
        counts = followers[history]
        total, kinds = counts.total(), len(counts)
        backoffs[history] = kinds / (total + kinds)
        for word, count in counts.items():
            # All words are known: the shortest history interpolates with the uniform distribution over them.
            gram, shorter = (*history, word), (*history[1:], word)
            lower = probabilities[shorter] if history else 1 / kinds
            probabilities[gram] = (count + kinds * lower) / (total + kinds)
    return NgramModel(probabilities=probabilities, backoffs=backoffs)


def write_arpa(model: NgramModel, file: Path) -> None:
    """Write a model in the ARPA format, which every recogniser of CMU Sphinx's and Kaldi's families reads."""
    grams: list[list[Gram]] = [[] for _ in range(ORDER)]
    for gram in model.probabilities:
        grams[len(gram) - 1].append(gram)
    grams[0].append((BEGIN,))
    lines = ["\\data\\", *(f"ngram {order}={len(found)}" for order, found in enumerate(grams, start=1))]
    for order, found in enumerate(grams, start=1):
        lines += ["", f"\\{order}-grams:", *(_line(model, gram) for gram in sorted(found))]
    file.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")


def _line(model: NgramModel, gram: Gram) -> str:
    value = model.probabilities.get(gram)
    line = f"{NEVER if value is None else math.log10(value):.5f}\t{' '.join(gram)}"
    if gram in model.backoffs:
        line += f"\t{math.log10(model.backoffs[gram]):.5f}"
    return line
