"""One frame's answers as a record of a journal, and back."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from instructseq_replay.frames import FrameKey, Header
from instructseq_replay.journal import Entry

_LEVEL = 1


@dataclass(frozen=True, kw_only=True)
class AnswerRecord:
    """What came of one instruction on one frame.

    Attributes:
        data: bytes of an instructseq/msg/Perception; empty if there is no answer.
        problem: why there is none; empty if there is one.
        seconds: wall-clock seconds by stage; "total" is the whole.
    """

    data: bytes = b""
    problem: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FrameRecord:
    """What came of one frame.

    Attributes:
        bag: the bag's name in this run.
        key: the frame.
        header: of its message; None if that could not be read.
        size_wh: of its image, pixels; (0, 0) if it could not be read.
        problem: why the frame could not be used; empty if it could.
        answers: by the id of the instruction.
    """

    bag: str
    key: FrameKey
    header: Header | None = None
    size_wh: tuple[int, int] = (0, 0)
    problem: str = ""
    answers: Mapping[str, AnswerRecord] = field(default_factory=dict)


def to_entry(record: FrameRecord) -> Entry:
    """The record for a journal."""
    bodies = {
        name: zlib.compress(answer.data, _LEVEL) if answer.data else b"" for name, answer in record.answers.items()
    }
    head: dict[str, Any] = {
        "bag": record.bag,
        "key": list(record.key),
        "size": list(record.size_wh),
        "problem": record.problem,
        "answers": [
            {
                "id": name,
                "bytes": len(bodies[name]),
                "problem": answer.problem,
                "seconds": {stage: round(value, 6) for stage, value in answer.seconds.items()},
            }
            for name, answer in record.answers.items()
        ],
    }
    if record.header is not None:
        head["header"] = [record.header.stamp_ns, record.header.frame_id]
    return Entry(head=head, body=b"".join(bodies.values()))


def key_of(head: Mapping[str, Any]) -> FrameKey:
    """The frame that a record's head belongs to."""
    return FrameKey(*head["key"])


def from_entry(entry: Entry) -> FrameRecord:
    """The record out of a journal."""
    head = entry.head
    header = Header(stamp_ns=head["header"][0], frame_id=head["header"][1]) if "header" in head else None
    return FrameRecord(
        bag=head["bag"],
        key=key_of(head),
        header=header,
        size_wh=(head["size"][0], head["size"][1]),
        problem=head["problem"],
        answers=dict(_answers(entry)),
    )


def _answers(entry: Entry) -> Iterator[tuple[str, AnswerRecord]]:
    at = 0
    for part in entry.head["answers"]:
        packed = entry.body[at : at + part["bytes"]]
        at += part["bytes"]
        data = zlib.decompress(packed) if packed else b""
        yield part["id"], AnswerRecord(data=data, problem=part["problem"], seconds=part["seconds"])
