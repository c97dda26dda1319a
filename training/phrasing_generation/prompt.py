"""The words in which a language model is asked for phrasings."""

from __future__ import annotations

import random
from collections.abc import Sequence

from instructseq_training.phrasing_generation.kinds import Kind

Message = dict[str, str]
"""A chat message: `role` and `content`."""

STYLES = (
    "questions",
    "commands",
    "spoken language with fillers, as speech recognition writes it down: lower case, little punctuation",
    "terse ones of one to four words",
    "polite requests",
    "ones with typing mistakes that can still be read",
    "what a robot's operator would say, in the jargon of robotics and computer vision",
    "indirect requests that tell why the answer is needed",
    "unusual verbs and figures of speech",
)
"""One a request, in turn: asked for everything at once, models write one style."""

_SYSTEM = """\
You write instructions that people give to a robot with a camera. You answer with one JSON object and nothing else: \
{"phrasings": ["...", "..."]}. Every phrasing is natural English, of one line, and has one meaning only."""

_SHOWN = 12


def messages_for(kind: Kind, *, count: int, request: int, known: Sequence[str]) -> list[Message]:
    """The messages of one request.

    Args:
        kind: what the phrasings must ask for.
        count: how many phrasings to ask for.
        request: number of the request within its kind, from 0; it decides the style and which examples are shown.
        known: phrasings of this kind that may be shown as examples not to be repeated.
    """
    shown = random.Random(request).sample(list(known), min(_SHOWN, len(known)))
    examples = "\n".join(f"- {text}" for text in shown)
    content = (
        f"Write {count} phrasings of this instruction: {kind.meaning}\n"
        f"{kind.placeholders}\n"
        f"This time write {STYLES[request % len(STYLES)]}.\n"
        "No two may differ in a word or two only. Vary verbs, length and order.\n"
        f"Do not repeat any of these that exist already:\n{examples}"
    )
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": content}]
