"""BLEU of captions as COCO's evaluation server takes it, through pycocoevalcap's implementation.

COCO tokenises with Stanford's PTB tokenizer, a Java program inside pycocoevalcap. Where Java is missing a regular
expression stands in: lower case, clitics split as in the Penn Treebank ("don't" -> "do n't", "cat's" -> "cat 's"),
punctuation dropped. On plain captions both give the same tokens (brackets and abbreviations with dots differ); the
result says which of the two was used.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Tokenizer = Literal["ptb", "regex"]

_TOKEN = re.compile(r"\w+(?:[-./,:&]\w+)*|[^\w\s]")
_DROPPED = frozenset("'`.?!,:-;()[]{}\"")


@dataclass(frozen=True, kw_only=True)
class BleuScores:
    """Corpus BLEU with n-grams up to 1, 2, 3 and 4, each in [0, 1] (papers print 100 times that).

    Attributes:
        tokenizer: `ptb` if Stanford's tokenizer was used, `regex` if its stand-in was.
    """

    bleu_1: float
    bleu_2: float
    bleu_3: float
    bleu_4: float
    tokenizer: Tokenizer


def bleu(
    predictions: Sequence[str], references: Sequence[Sequence[str]], *, tokenizer: Tokenizer | None = None
) -> BleuScores:
    """Corpus BLEU of one predicted caption an image against all its true ones ("closest" reference length).

    Args:
        predictions: one caption an image.
        references: one or more true captions an image, in the same order.
        tokenizer: which to use; by default `ptb` where Java is installed, else `regex`.

    Raises:
        ValueError: the lists differ in length, are empty, or an image has no true caption.
    """
    if not predictions or len(predictions) != len(references) or not all(references):
        raise ValueError("BLEU needs as many predictions as lists of references, at least one, and no empty list")
    from pycocoevalcap.bleu.bleu import Bleu

    chosen: Tokenizer = tokenizer or ("ptb" if shutil.which("java") else "regex")
    tokenize = _tokenize_ptb if chosen == "ptb" else _tokenize_regex
    predicted = tokenize([[caption] for caption in predictions])
    true = tokenize(references)
    scores, _ = Bleu(4).compute_score(dict(enumerate(true)), dict(enumerate(predicted)), verbose=0)
    return BleuScores(bleu_1=scores[0], bleu_2=scores[1], bleu_3=scores[2], bleu_4=scores[3], tokenizer=chosen)


def regex_tokens(text: str) -> list[str]:
    """The tokens of one caption: lower case, clitics split off, punctuation dropped."""
    text = re.sub(r"[\u2018\u2019]", "'", text.lower())
    text = re.sub(r"\bcannot\b", "can not", text)
    tokens = []
    for word in text.split():
        found = re.match(r"^(\W*)(.*?)(n't|'s|'re|'ve|'ll|'d|'m)?(\W*)$", word)
        start, stem, clitic, end = found.groups() if found else ("", word, None, "")
        tokens += _TOKEN.findall(f"{start} {stem}") + ([clitic] if clitic else []) + _TOKEN.findall(end)
    return [token for token in tokens if token not in _DROPPED]


def _tokenize_regex(captions: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[" ".join(regex_tokens(caption)) for caption in of_image] for of_image in captions]


def _tokenize_ptb(captions: Sequence[Sequence[str]]) -> list[list[str]]:
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    rows = {i: [{"caption": " ".join(text.split())} for text in of_image] for i, of_image in enumerate(captions)}
    tokens = PTBTokenizer().tokenize(rows)
    return [tokens[i] for i in range(len(captions))]
