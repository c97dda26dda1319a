"""Reading a language model's answer: the JSON that it was asked for, wherever it stands in the text."""

from __future__ import annotations

import json
from typing import Any


class AnswerError(ValueError):
    """An answer holds no list of phrasings; the message is the reason in a few words."""


def read_answer(text: str) -> tuple[Any, ...]:
    """The entries of the first JSON object with `phrasings`, or of the first JSON list, in an answer.

    Text around the JSON and Markdown fences do not matter. Entries may be anything; `checks.fault` judges them.

    Raises:
        AnswerError: there is no JSON, it is cut short, or it has another form.
    """
    starts = [place for place in (text.find("{"), text.find("[")) if place >= 0]
    if not starts:
        raise AnswerError("answer without JSON")
    start = min(starts)
    try:
        content, _ = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        rest = text[error.pos :].strip("`\n ")
        raise AnswerError(
            "answer with broken JSON" if rest and not _open_string(error) else "answer cut short"
        ) from None
    except RecursionError:
        raise AnswerError("answer with broken JSON") from None
    entries = content.get("phrasings") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise AnswerError("answer with JSON of another form")
    return tuple(entries)


def _open_string(error: json.JSONDecodeError) -> bool:
    return error.msg.startswith("Unterminated string")
