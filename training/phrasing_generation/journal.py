"""The journal of a generation: one JSON line an answer, only ever appended to, so that a stopped run can go on.

A line holds: kind, model, accepted (texts), rejected (pairs of text and reason), input_tokens, output_tokens, cost
(US dollars, or null if the price is unknown). Nothing of the key or the endpoint is in it.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from instructseq_model.errors import ConfigError

NAME = "journal.jsonl"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What became of one answer.

    Attributes:
        kind: name of the kind that was asked for.
        model: the model asked.
        accepted: phrasings taken.
        rejected: pairs of what was not taken and why.
        input_tokens: tokens of the request, as the endpoint counts them.
        output_tokens: tokens of the answer.
        cost: US dollars, or None if the price is unknown.
    """

    kind: str
    model: str
    accepted: tuple[str, ...] = ()
    rejected: tuple[tuple[str, str], ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None


class Journal:
    """The entries of a file, which is made when the first one is added.

    Args:
        file: the JSON-lines file. A last line without its line break, as a killed run leaves it, is cut off.

    Raises:
        ConfigError: a line is no entry.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._entries = _read(file) if file.exists() else []

    @property
    def entries(self) -> Sequence[Entry]:
        """All entries, oldest first."""
        return tuple(self._entries)

    def add(self, entry: Entry) -> None:
        """Append an entry, on the disk when this returns."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(entry)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._entries.append(entry)

    def accepted(self, kind: str) -> list[str]:
        """The phrasings of one kind taken so far, in order."""
        return [text for entry in self._entries if entry.kind == kind for text in entry.accepted]

    def requests(self, kind: str) -> int:
        """How many answers there were for one kind."""
        return sum(entry.kind == kind for entry in self._entries)

    def rejected(self, kind: str) -> Counter[str]:
        """How many texts of one kind were not taken, by reason."""
        return Counter(reason for entry in self._entries if entry.kind == kind for _, reason in entry.rejected)

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens of all requests and of all answers."""
        return sum(e.input_tokens for e in self._entries), sum(e.output_tokens for e in self._entries)

    @property
    def cost(self) -> float:
        """US dollars of all answers whose price is known."""
        return sum(entry.cost or 0.0 for entry in self._entries)


def _read(file: Path) -> list[Entry]:
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with file.open("r+b") as opened:
            opened.truncate(len(whole))
    entries = []
    for number, line in enumerate(whole.decode("utf-8", errors="replace").splitlines(), 1):
        try:
            fields = json.loads(line)
            fields["accepted"] = tuple(fields["accepted"])
            fields["rejected"] = tuple((text, reason) for text, reason in fields["rejected"])
            entries.append(Entry(**fields))
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"line {number} of {file} is no entry of a journal ({error}): remove the line, or name a new folder"
            ) from None
    return entries
