"""What is remembered from frame to frame of a stream: the tokens of the last map, as a draft of the next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

import torch
from torch import Tensor

STREAMS_HELD = 32
JUMP = 0.6
"""Views less alike than this are of another scene. On rendered tables a shift by 1/40 of the image gives 0.8, sensor
noise of 3 % 0.97, another scene 0.07 to 0.44."""


class Stream(NamedTuple):
    """One frame of a stream.

    Attributes:
        key: of camera, instruction and everything that decides the noise.
        view: P x D states of the image, to tell another scene by.
    """

    key: Hashable
    view: Tensor


class StreamMemory:
    """The last map of each stream; the streams used last are kept."""

    def __init__(self, held: int = STREAMS_HELD) -> None:
        self._held = held
        self._last: OrderedDict[Hashable, tuple[Tensor, Tensor]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._last)

    def recall(self, stream: Stream) -> Tensor | None:
        """The choices of the frame before, N x T; None if there was none, or the scene has jumped since."""
        if stream.key not in self._last:
            return None
        choices, view = self._last[stream.key]
        if view.shape != stream.view.shape or likeness(view, stream.view) < JUMP:
            del self._last[stream.key]
            return None
        return choices

    def keep(self, stream: Stream, choices: Tensor) -> None:
        """Remember this frame's choices, N x T."""
        self._last[stream.key] = (choices.clone(), stream.view.to(torch.bfloat16))
        self._last.move_to_end(stream.key)
        while len(self._last) > self._held:
            self._last.popitem(last=False)


def likeness(one: Tensor, other: Tensor) -> float:
    """Mean cosine between the same cells of two views, less what all cells share: in [-1, 1]. P x D each."""
    first, second = (view.float() - view.float().mean(0) for view in (one, other))
    return float(torch.nn.functional.cosine_similarity(first, second, dim=-1).mean())
