"""Captions as token ids: a tokenizer file of the `tokenizers` library, its ids counted from 0."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from instructseq_model.errors import CheckpointError
from instructseq_model.vocabulary import Vocabulary


class TextTokenizer:
    """Text to token ids and back, without special tokens; opening and closing a sequence is the vocabulary's business.

    Attributes:
        size: how many ids there are; all ids are below it.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        # Truncation and padding would change what a caption says.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.size = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    @classmethod
    def load(cls, path: Path | str) -> TextTokenizer:
        """Read a `tokenizer.json`, such as RoBERTa's with its 50,265 tokens.

        Raises:
            CheckpointError: the file is missing, damaged, or has no tokens.
        """
        file = Path(path)
        if not file.is_file():
            raise CheckpointError(f"no tokenizer at {file}; give the path of a tokenizer.json")
        try:
            tokenizer = cls(Tokenizer.from_file(str(file)))
        except Exception as error:  # the library raises plain Exception
            raise CheckpointError(f"{file} is no tokenizer file, or damaged ({error}); fetch it again") from error
        if tokenizer.size == 0:
            raise CheckpointError(f"{file} has no tokens; give a trained tokenizer.json")
        return tokenizer

    def save(self, path: Path | str) -> None:
        """Write a file that `load` reads."""
        self._tokenizer.save(str(path))

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, each in [0, size); empty for an empty text."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of token ids, special tokens of the file left out, without white space at its ends.

        Raises:
            ValueError: an id is outside [0, size).
        """
        wrong = [token for token in tokens if not 0 <= token < self.size]
        if wrong:
            raise ValueError(f"token {wrong[0]} is outside the tokenizer's {self.size} ids")
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True)).strip()


def text_of(tokens: Sequence[int], *, vocabulary: Vocabulary, tokenizer: TextTokenizer) -> str:
    """The text that a model wrote.

    Args:
        tokens: vocabulary ids of text, END not among them; those that the tokenizer does not know are left out.
        vocabulary: the model's, which may have room for more text tokens than there are.
        tokenizer: of captions.
    """
    first = vocabulary.text_range.start
    return tokenizer.decode([token - first for token in tokens if token - first < tokenizer.size])
