"""What every recogniser is: samples of one utterance in, words and confidence out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

RATE = 16000
"""Samples a second, of all sound in this package; mono, 16 bits."""

Samples = NDArray[np.int16]


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a recogniser made of an utterance.

    Attributes:
        text: the words in lower case without punctuation; empty if there were none.
        confidence: how sure the recogniser is, in [0, 1]. The scale is the recogniser's own.
    """

    text: str
    confidence: float


class Recogniser(Protocol):
    """Turns one utterance into words."""

    def recognise(self, samples: Samples) -> Heard:
        """The words of an utterance.

        Args:
            samples: N, int16, at `RATE`, with a little silence round the words.
        """
        ...
