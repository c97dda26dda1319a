"""The tokens an output kind may use, and the output head sliced to them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from instructseq_model.sequence_model import SequenceModel
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

    def logits(self, model: SequenceModel, states: Tensor) -> Tensor:
        """Logits of the choices only, B x size, float32, from normed states B x D."""
        logits = model.head_of(states, self.ids)
        if self.ends:
            logits = torch.cat([logits, model.head_of(states, range(END, END + 1))], -1)
        return logits.float()

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


def token_range(model: SequenceModel, kind: OutputKind) -> TokenRange:
    """The choices of a kind. Maps have a fixed length and no END."""
    return TokenRange(kind, model.config.vocabulary.range_of(kind), kind is not OutputKind.MAP)
