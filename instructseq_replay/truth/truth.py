"""The truth about one instruction on one frame, and what every source of it offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from instructseq_model.errors import InstructSeqError
from instructseq_replay.frames import FrameKey, Header
from instructseq_replay.instructions import Asked
from instructseq_replay.truth.messages import MessagesOfFrame


class TruthError(InstructSeqError):
    """A source of truth is missing, damaged, or does not fit the instructions."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is true of one frame and one instruction, in pixels of the frame; None where the source does not know.

    Attributes:
        mask: H x W bool, where the things meant are.
        boxes: N x 4 (x1, y1, x2, y2) around the things meant.
        classes: H x W ids of a label set.
        names: of the things in view.
    """

    mask: NDArray[np.bool_] | None = None
    boxes: NDArray[np.float64] | None = None
    classes: NDArray[np.integer] | None = None
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class FrameFacts:
    """What a source may need to know of a frame.

    Attributes:
        key: which frame.
        header: of its message.
        size_wh: of its image, pixels.
        messages: what the topics of truth hold for it.
    """

    key: FrameKey
    header: Header
    size_wh: tuple[int, int]
    messages: MessagesOfFrame


class TruthSource(Protocol):
    """Where truth comes from."""

    topics: tuple[str, ...]
    """Topics of the recording that it reads; they are no cameras."""

    gives: frozenset[str]
    """The fields of `Truth` that it can fill in."""

    def truth_of(self, frame: FrameFacts, asked: Asked) -> Truth | None:
        """What is true; None where the source knows nothing of the frame.

        Raises:
            TruthError: the source does not fit the frame or the instruction.
        """
        ...


def boxes_around(masks: list[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """The box (x1, y1, x2, y2) around each mask that has pixels; N x 4."""
    boxes = []
    for mask in masks:
        rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
        if len(rows):
            boxes.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    return np.array(boxes, np.float64).reshape(-1, 4)
