"""Reading a sqlite3 bag whose database is damaged: row by row, leaving out those on pages that are gone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from instructseq_replay.bags.damage import Message

MISSES_TO_STOP = 2000
"""Rows in succession that cannot be read before the end is assumed, where the database does not know its last row."""


LEAST_ROW_BYTES = 16
"""A row has a head, a topic, a time and a message."""


def salvage_sqlite(path: Path, complaints: list[str]) -> Iterator[Message]:
    """The readable messages of a sqlite3 bag, in the order in which they were recorded.

    Args:
        path: the file, not compressed as a whole.
        complaints: told what could not be read.
    """
    database = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    try:
        # Without this, SQLite opens no file that is shorter than its header says.
        database.execute("PRAGMA writable_schema=ON")
        topics = dict(_topics(database))
    except sqlite3.DatabaseError as error:
        complaints.append(f"the database cannot be opened ({error})")
        database.close()
        return
    try:
        yield from _rows(database, topics, complaints, most=path.stat().st_size // LEAST_ROW_BYTES)
    finally:
        database.close()


def _topics(database: sqlite3.Connection) -> Iterator[tuple[int, tuple[str, str]]]:
    for number, name, kind in database.execute("SELECT id, name, type FROM topics"):
        if isinstance(name, str) and isinstance(kind, str):  # SQLite holds values of any type in any column
            yield number, (name, kind)


def _rows(
    database: sqlite3.Connection, topics: dict[int, tuple[str, str]], complaints: list[str], *, most: int
) -> Iterator[Message]:
    """Row by row up to the last one; no more than `most`, whatever a damaged database says its last row is."""
    last = _last_row(database)
    if last is not None and last > most:
        complaints.append(f"the database says that its last message is number {last}; it has room for {most}")
        last = most
    row, misses, lost = 0, 0, 0
    while (row < last) if last is not None else (misses < MISSES_TO_STOP):
        row += 1
        try:
            found = database.execute("SELECT topic_id, timestamp, data FROM messages WHERE id = ?", (row,)).fetchone()
        except sqlite3.DatabaseError:
            misses, lost = misses + 1, lost + 1
            continue
        if found is None:
            misses += 1
            continue
        misses = 0
        number, stamp, data = found
        if number in topics and isinstance(stamp, int) and isinstance(data, bytes):
            topic, kind = topics[number]
            yield Message(topic=topic, type_name=kind, log_ns=stamp, data=data)
        else:
            lost += 1
    if last is None:
        complaints.append("the database is damaged; how many messages it held is not known")
    elif lost:
        complaints.append(f"the database is damaged: {lost} of {last} messages cannot be read")


def _last_row(database: sqlite3.Connection) -> int | None:
    """Number of the last message; None where the database's right edge cannot be read."""
    try:
        (last,) = database.execute("SELECT max(id) FROM messages").fetchone()
    except sqlite3.DatabaseError:
        return None
    return int(last or 0)
