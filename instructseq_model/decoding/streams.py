"""What is remembered from frame to frame of a stream: the tokens of the last map, as a draft of the next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

STREAMS_HELD = 32
JUMP = 0.6
"""Views less alike than this are of another scene. On rendered tables a shift by 1/40 of the image gives 0.8, sensor
noise of 3 % 0.97, another scene 0.07 to 0.44."""


DEAR = 1.5
"""A draft has not paid when its map took more than so many times the passes of one without (and two more)."""

LONGEST_REST = 16


class Stream(NamedTuple):
    """One frame of a stream.

    Attributes:
        key: of camera, instruction and everything that decides the noise.
        view: P x D states of the image, to tell another scene by.
    """

    key: Hashable
    view: Tensor


@dataclass
class _Last:
    """A stream's last map, and whether drafts from it have paid.

    `single` are the passes that the last map without a draft took; for `resting` maps there is to be no draft.
    """

    choices: Tensor
    view: Tensor
    single: int
    failures: int = 0
    resting: int = 0


class StreamMemory:
    """The last map of each stream; the streams used last are kept.

    Where a draft took clearly more passes than a map without one, the stream goes without for 2 maps, then 4 and so on.
    """

    def __init__(self, held: int = STREAMS_HELD) -> None:
        self._held = held
        self._last: OrderedDict[Hashable, _Last] = OrderedDict()

    def __len__(self) -> int:
        return len(self._last)

    def clear(self) -> None:
        """Forget all streams."""
        self._last.clear()

    def recall(self, stream: Stream) -> Tensor | None:
        """The choices of the frame before, N x T; None if there was none, it does not pay, or the scene has jumped."""
        last = self._last.get(stream.key)
        if last is None:
            return None
        if last.view.shape != stream.view.shape or likeness(last.view, stream.view) < JUMP:
            del self._last[stream.key]
            return None
        return None if last.resting else last.choices

    def keep(self, stream: Stream, choices: Tensor, *, forwards: int, drafted: bool) -> None:
        """Remember this frame's choices, N x T, and how many passes they took, with a recalled draft or without."""
        last = self._last.setdefault(stream.key, _Last(choices, stream.view, forwards))
        last.choices, last.view = choices.clone(), stream.view.to(torch.bfloat16)
        if not drafted:
            last.single, last.resting = forwards, max(0, last.resting - 1)
        elif forwards > DEAR * last.single + 2:
            last.failures += 1
            last.resting = min(2**last.failures, LONGEST_REST)
        else:
            last.failures = 0
        self._last.move_to_end(stream.key)
        while len(self._last) > self._held:
            self._last.popitem(last=False)


def likeness(one: Tensor, other: Tensor) -> float:
    """Mean cosine between the same cells of two views, less what all cells share: in [-1, 1]. P x D each."""
    first, second = (view.float() - view.float().mean(0) for view in (one, other))
    return float(torch.nn.functional.cosine_similarity(first, second, dim=-1).mean())
