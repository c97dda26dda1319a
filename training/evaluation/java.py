"""Whether Java is there: Stanford's tokenizer and METEOR, both inside pycocoevalcap, are Java programs."""

from __future__ import annotations

import shutil

JAVA_MISSING = (
    "Java is missing: METEOR is left out, and a regular expression tokenises captions in place of the Penn Treebank "
    "tokenizer; install Java (Debian, Ubuntu: apt install default-jre-headless; without root: docs/evaluation.md) for "
    "COCO's own numbers"
)


def has_java() -> bool:
    """Whether a `java` program lies on the path."""
    return shutil.which("java") is not None
