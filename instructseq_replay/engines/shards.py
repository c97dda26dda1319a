"""A recording cut into pieces that can be done anywhere, in any order, and again after a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rosbags.typesys.store import Typestore

from instructseq_replay.bags.bag import ALL_TIME, open_bag
from instructseq_replay.bags.damage import Damage
from instructseq_replay.evaluation import Answerer, evaluate_frame
from instructseq_replay.frames import frames_of
from instructseq_replay.instructions import Instructions
from instructseq_replay.journal import Entry, Journal
from instructseq_replay.records import key_of, to_entry

SHARD_SECONDS = 60.0
"""Length of a piece: long against loading a model, short against an hour that may be lost."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A bag of a run.

    Attributes:
        name: in this run.
        path: of the bag; the same on every machine.
        cameras: image topics to look at.
        first_ns, last_ns: of the messages, nanoseconds.
        enterable: whether it can be read from any time on, without reading all before.
        frames: of the cameras, as far as its index tells.
    """

    name: str
    path: Path
    cameras: tuple[str, ...]
    first_ns: int
    last_ns: int
    enterable: bool
    frames: int


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A stretch of a recording: recorded at the first nanosecond of `span` or later, and before the second."""

    recording: Recording
    span: tuple[int, int]

    @property
    def journal_name(self) -> str:
        """The file that its finished frames go to."""
        return f"{self.recording.name}-{self.span[0]}.journal"


def whole(recording: Recording) -> list[Shard]:
    """All of a recording as one shard."""
    return [Shard(recording=recording, span=ALL_TIME)]


def minutes(recording: Recording, *, period_ns: int) -> list[Shard]:
    """A recording in stretches of a minute; one that is damaged or compressed as a whole cannot be entered, and is one.

    Args:
        recording: what to cut.
        period_ns: stretches are whole multiples of it, so that the choice of frames stays that of the whole recording.
    """
    if not recording.enterable:
        return whole(recording)
    length = round(SHARD_SECONDS * 1e9)
    if period_ns:
        length = max(1, round(length / period_ns)) * period_ns
    starts = range(recording.first_ns // length * length, recording.last_ns + 1, length)
    return [Shard(recording=recording, span=(start, start + length)) for start in starts]


def run_shard(
    shard: Shard,
    *,
    journals: Path,
    answerer: Callable[[], Answerer],
    instructions: Instructions,
    types: Typestore,
) -> Iterator[bool]:
    """Do what is not done yet of a shard; every finished frame is written down at once.

    Args:
        shard: the stretch.
        journals: folder of the journals.
        answerer: gives the model; asked for it only if a frame is left to do.
        instructions: what to ask.
        types: message types.

    Yields:
        For each frame: whether it was done now, and not before.

    Raises:
        JournalError: another process does this shard.
    """
    with Journal(journals / shard.journal_name) as journal:
        done = {key_of(head) for head in journal.heads if "key" in head}
        if any("damage" in head for head in journal.heads):
            for _ in done:
                yield False
            return
        recording, damage = shard.recording, set[Damage]()
        frames = frames_of(
            open_bag(recording.path),
            recording.cameras,
            period_ns=instructions.period_ns,
            span=shard.span,
            damage=damage,
        )
        for frame in frames:
            if frame.key not in done:
                record = evaluate_frame(answerer(), frame, bag=recording.name, instructions=instructions, types=types)
                journal.append(to_entry(record))
            yield frame.key not in done
        # This record says that the shard is complete.
        journal.append(Entry(head={"damage": sorted([entry.file, entry.what] for entry in damage)}, body=b""))
