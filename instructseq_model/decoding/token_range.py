"""The tokens an output kind may use."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from instructseq_model.sequence_model import SequenceConfig
from instructseq_model.vocabulary import END, OutputKind


@dataclass(frozen=True)
class TokenRange:
    """One kind's ids: a contiguous range, and for boxes and text END behind it.

    Choices are indices into this range: index i < len(ids) is token ids[i], index len(ids) is END.
    """

    kind: OutputKind
    ids: range
    ends: bool

    @property
    def size(self) -> int:
        """Number of choices."""
        return len(self.ids) + int(self.ends)

    def tokens(self, choices: Tensor) -> Tensor:
        """Vocabulary ids of choices."""
        return torch.where(choices < len(self.ids), choices + self.ids.start, END)

    def forbidden(self, step: int, limit: int) -> slice | None:
        """Choices that step `step` of at most `limit` may not take; None if all are open.

        A box is four coordinates, so END stands between boxes only, and must stand at the limit.
        """
        if self.ends and step == limit - 1:
            return slice(0, len(self.ids))
        if self.kind is OutputKind.BOXES and step % 4:
            return slice(len(self.ids), None)
        return None


def token_range(config: SequenceConfig, kind: OutputKind) -> TokenRange:
    """The choices of a kind. Maps have a fixed length and no END."""
    return TokenRange(kind, config.vocabulary.range_of(kind), kind is not OutputKind.MAP)
