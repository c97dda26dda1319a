"""BLEU of captions as COCO's evaluation server takes it, through pycocoevalcap's implementation.

COCO tokenises with Stanford's PTB tokenizer, a Java program inside pycocoevalcap. Where Java is missing a regular
expression stands in: lower case, clitics split as in the Penn Treebank ("don't" -> "do n't", "cat's" -> "cat 's"),
punctuation dropped. On plain captions both give the same tokens (brackets and abbreviations with dots differ); the
result says which of the two was used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from instructseq_training.evaluation.java import has_java

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
    from pycocoevalcap.bleu.bleu import Bleu

    said = tokenized(predictions, references, tokenizer=tokenizer)
    predicted = {number: [text] for number, text in enumerate(said.predictions)}
    scores, _ = Bleu(4).compute_score(dict(enumerate(said.references)), predicted, verbose=0)
    return BleuScores(bleu_1=scores[0], bleu_2=scores[1], bleu_3=scores[2], bleu_4=scores[3], tokenizer=said.tokenizer)


@dataclass(frozen=True, kw_only=True)
class TokenizedCaptions:
    """Captions as tokens with blanks between them.

    Attributes:
        predictions: one an image.
        references: one or more an image, in the same order.
        tokenizer: which was used.
    """

    predictions: list[str]
    references: list[list[str]]
    tokenizer: Tokenizer


def tokenized(
    predictions: Sequence[str], references: Sequence[Sequence[str]], *, tokenizer: Tokenizer | None = None
) -> TokenizedCaptions:
    """Tokenise predicted and true captions.

    Args:
        predictions: one caption an image.
        references: one or more true captions an image, in the same order.
        tokenizer: which to use; by default `ptb` where Java is installed, else `regex`.

    Raises:
        ValueError: the lists differ in length, are empty, or an image has no true caption.
    """
    if not predictions or len(predictions) != len(references) or not all(references):
        raise ValueError("captions need as many predictions as lists of references, at least one, and no empty list")
    chosen: Tokenizer = tokenizer or ("ptb" if has_java() else "regex")
    tokenize = _tokenize_ptb if chosen == "ptb" else _tokenize_regex
    # One call for all of them: starting the Java program takes longer than its work.
    rows = tokenize([[caption] for caption in predictions] + [list(of_image) for of_image in references])
    return TokenizedCaptions(
        predictions=[row[0] for row in rows[: len(predictions)]],
        references=rows[len(predictions) :],
        tokenizer=chosen,
    )


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
