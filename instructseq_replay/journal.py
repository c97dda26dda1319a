"""What is finished, in a file that is only ever added to: nothing in it is lost or done twice after a SIGKILL.

A journal is a sequence of records: the bytes `ISJ1`, the lengths of head and body and a CRC-32 of both (little-endian,
32 bits each), the head as JSON, the body. A record that was being written when the process died fails its check and is
cut off when the journal is opened again.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from instructseq_model.errors import InstructSeqError

_MARK = b"ISJ1"
_PREFIX = struct.Struct("<4sIII")


class JournalError(InstructSeqError):
    """A journal is in use by another process, or cannot be written."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One record: `head` is whatever JSON holds, `body` any bytes."""

    head: dict[str, Any]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a record is: its journal, and the byte at which it begins."""

    path: Path
    start: int


def journal_index(path: Path) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Places and heads of the whole records of a journal, in the order in which they were written."""
    if path.is_file():
        with path.open("rb") as file:
            start = 0
            while (entry := _next(file)) is not None:
                yield Place(path=path, start=start), entry.head
                start = file.tell()


def entry_at(place: Place) -> Entry:
    """The record at a place that `journal_index` gave.

    Raises:
        JournalError: it is gone.
    """
    with place.path.open("rb") as file:
        file.seek(place.start)
        entry = _next(file)
    if entry is None:
        raise JournalError(f"{place.path} was changed while it was read: start again")
    return entry


def _next(file: BinaryIO) -> Entry | None:
    """The record at the file's position, None where no whole one is."""
    prefix = file.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size:
        return None
    mark, head_length, body_length, check = _PREFIX.unpack(prefix)
    if mark != _MARK:
        return None
    content = file.read(head_length + body_length)
    if len(content) < head_length + body_length or zlib.crc32(content) != check:
        return None
    return Entry(head=json.loads(content[:head_length]), body=content[head_length:])


class Journal:
    """A journal open for writing, by one process at a time; a context manager.

    Args:
        path: the file; made if missing. What a killed process left half written at its end is cut off.

    Attributes:
        heads: of all records, in their order.

    Raises:
        JournalError: another process writes to it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise JournalError(f"{path} is in use by another process: wait for it, or name another --out") from None
        self.heads: list[dict[str, Any]] = []
        end = 0
        with path.open("rb") as file:
            while (entry := _next(file)) is not None:
                self.heads.append(entry.head)
                end = file.tell()
        os.ftruncate(self._file, end)
        os.lseek(self._file, end, os.SEEK_SET)

    def append(self, entry: Entry) -> None:
        """Write one record.

        Raises:
            JournalError: the disk is full, or the file cannot be written.
        """
        head = json.dumps(entry.head, separators=(",", ":"), sort_keys=True).encode()
        content = head + entry.body
        record = _PREFIX.pack(_MARK, len(head), len(entry.body), zlib.crc32(content)) + content
        try:
            while record:
                record = record[os.write(self._file, record) :]
        except OSError as error:
            raise JournalError(f"{self._path} cannot be written ({error.strerror}): make room and go on") from None
        self.heads.append(entry.head)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            os.fsync(self._file)  # some file systems tell only here that there was no room
        finally:
            os.close(self._file)
