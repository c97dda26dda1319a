"""Instructions as token ids of a frozen text encoder, by the `tokenizers` library alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from instructseq_model.errors import CheckpointError


class FileTokens:
    """The tokens of a `tokenizer.json`, special ones at both ends included.

    Args:
        tokenizer: changed in place: it neither cuts nor pads from now on.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text."""
        return [list(row.ids) for row in self._tokenizer.encode_batch(list(texts), add_special_tokens=True)]

    def save(self, path: Path) -> None:
        """Write a file that `load` reads."""
        self._tokenizer.save(str(path))

    @classmethod
    def load(cls, path: Path) -> FileTokens:
        """Read a `tokenizer.json`.

        Raises:
            CheckpointError: the file is missing or damaged.
        """
        try:
            return cls(Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises plain Exception
            raise CheckpointError(f"{path} is no tokenizer file, or damaged ({error}); fetch it again") from error


def byte_tokens(texts: Sequence[str]) -> list[list[int]]:
    """UTF-8 bytes as ids 4-259 between 1 and 2: stands in for a tokenizer where the weights are random."""
    return [[1, *(4 + byte for byte in text.encode("utf-8")), 2] for text in texts]


def cut_tokens(row: list[int], most: int) -> list[int]:
    """At most so many ids, the closing one kept; warns where any is left out."""
    if len(row) <= most:
        return row
    warnings.warn(f"an instruction of {len(row)} tokens was cut to {most}; say it in fewer words", stacklevel=4)
    return row[: most - 1] + row[-1:]
