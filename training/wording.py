"""Just enough English grammar to put an expression or a colour into a phrasing: articles, number, pronouns."""

from __future__ import annotations

import re

_ARTICLES = {"the", "a", "an"}
_DETERMINERS = {
    *("all", "any", "both", "each", "either", "every", "neither", "no", "some", "that", "these", "this", "those"),
    *("her", "his", "its", "my", "our", "their", "your", "anything", "everything", "nothing", "something"),
}
_NUMBERS = {"two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "several", "many", "few"}
_PLURAL_DETERMINERS = {"all", "both", "these", "those"}

_PLURAL_VERBS = {
    "is": "are",
    "was": "were",
    "does": "do",
    "has": "have",
    "covers": "cover",
    "makes": "make",
    "occupies": "occupy",
    "sits": "sit",
    "takes": "take",
    "belongs": "belong",
}


def fit_expression(text: str, expression: str) -> str:
    """Put an expression where {object} stands, so that the sentence stays English.

    "the {object}" and "the mug" give "the mug"; "the {object}" and "both mugs" give "both mugs". A plural expression
    makes the verbs and pronouns around it plural: "where is {object}? box it" becomes "where are both mugs? box them".

    Args:
        text: a phrasing that holds {object} once.
        expression: a noun phrase with its article, not empty.
    """
    expression = expression.strip().rstrip(".!? ")
    if is_plural(expression):
        text = _make_plural(text)
    before, after = text.split("{object}")
    if re.search(r"\bthe $", before, re.IGNORECASE):
        first, _, rest = expression.partition(" ")
        if first.lower() in _ARTICLES and rest:
            expression = rest
        elif first.lower() in _DETERMINERS:
            before = before[: -len("the ")]
    return f"{before}{expression}{after}"


def fit_colour(text: str, colour: str) -> str:
    """Put a colour where {color} stands: "a {color} mask" and "orange" give "an orange mask"."""
    if colour[:1].lower() in "aeiou":
        text = re.sub(r"\b([Aa]) \{color\}", r"\1n {color}", text)
    return text.replace("{color}", colour)


def is_plural(expression: str) -> bool:
    """Whether the words before the noun say that several are meant ("both mugs", "the two cups", "all of them").

    Nouns are not looked at: "the scissors" counts as one thing.
    """
    words = expression.lower().split()
    if not words:
        return False
    if words[0] in _PLURAL_DETERMINERS | _NUMBERS:
        return True
    return len(words) > 1 and words[0] in _ARTICLES | _DETERMINERS and words[1] in _NUMBERS


def _make_plural(text: str) -> str:
    text = re.sub(r"\bis( it\b| \{object\})", r"are\1", text)
    text = re.sub(r"\bIs( \{object\})", r"Are\1", text)
    text = re.sub(r"'s( \{object\})", r" are\1", text)
    text = re.sub(r"\bdoes( \{object\})", r"do\1", text)
    text = re.sub(r"(?<=\{object\} )(\w+)", lambda verb: _PLURAL_VERBS.get(verb[0], verb[0]), text)
    text = re.sub(r"\bare it\b", "are they", text)
    text = re.sub(r"\bit is\b", "they are", text)
    text = re.sub(r"\bits\b", "their", text)
    return re.sub(r"\bit\b", "them", text)
