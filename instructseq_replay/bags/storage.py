"""One file of a bag: read by rosbags while it is sound, and salvaged from where it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from rosbags.rosbag2 import Reader

from instructseq_replay.bags.damage import Damage, Message
from instructseq_replay.bags.decompression import plain_file, plain_message
from instructseq_replay.bags.salvage_mcap import salvage_mcap
from instructseq_replay.bags.salvage_sqlite import salvage_sqlite

Salvage = Callable[[Path, list[str]], Iterator[Message]]

SALVAGE: dict[str, Salvage] = {".mcap": salvage_mcap, ".db3": salvage_sqlite}
"""How a damaged file is read, by the suffix of what is not compressed."""


@dataclass(frozen=True, kw_only=True)
class TopicInfo:
    """One topic of a file: its type, its messages, and the times of the first and the last, nanoseconds."""

    type_name: str
    count: int
    first_ns: int
    last_ns: int

    def __add__(self, other: TopicInfo) -> TopicInfo:
        """The topic over two files."""
        return TopicInfo(
            type_name=self.type_name or other.type_name,
            count=self.count + other.count,
            first_ns=min(self.first_ns, other.first_ns),
            last_ns=max(self.last_ns, other.last_ns),
        )


def file_topics(path: Path) -> tuple[dict[str, TopicInfo], bool]:
    """The topics of a file, and whether it is sound as far as its index tells.

    Of a sound file the times are those of the file, which its index knows; a damaged one is read through.
    """
    complaints: list[str] = []
    with plain_file(path, complaints) as inside:
        try:
            with Reader(inside) as reader:
                span = {"first_ns": reader.start_time, "last_ns": max(reader.start_time, reader.end_time - 1)}
                topics = {
                    connection.topic: TopicInfo(type_name=connection.msgtype, count=connection.msgcount, **span)
                    for connection in reader.connections
                    if connection.msgcount
                }
                if all(isinstance(text, str) for name, info in topics.items() for text in (name, info.type_name)):
                    return topics, not complaints
                raise TypeError("SQLite holds values of any type in any column, and these are no names")
        except Exception:  # whatever a damaged file provokes in the libraries below
            return _salvaged_topics(inside), False


def _salvaged_topics(inside: Path) -> dict[str, TopicInfo]:
    topics: dict[str, TopicInfo] = {}
    for message in SALVAGE[inside.suffix](inside, []):
        one = TopicInfo(type_name=message.type_name, count=1, first_ns=message.log_ns, last_ns=message.log_ns)
        topics[message.topic] = topics[message.topic] + one if message.topic in topics else one
    return topics


def file_messages(
    path: Path, *, topics: Collection[str], start_ns: int, stop_ns: int, damage: set[Damage]
) -> Iterator[Message]:
    """The readable messages of some topics, recorded at `start_ns` or later and before `stop_ns`.

    Args:
        path: an .mcap or .db3 file, or one with .zstd behind it.
        topics: their names.
        start_ns: nanoseconds since 1970.
        stop_ns: likewise.
        damage: filled with what could not be read.
    """
    complaints: list[str] = []
    with plain_file(path, complaints) as inside:
        for message in _sound_then_salvaged(inside, topics, start_ns, stop_ns, complaints):
            try:
                data = plain_message(message.data)
            except ValueError as error:
                complaints.append(f"the message on {message.topic} at {message.log_ns} ns is damaged: {error}")
                continue
            yield (
                message
                if data is message.data
                else Message(topic=message.topic, type_name=message.type_name, log_ns=message.log_ns, data=data)
            )
    damage.update(Damage(file=path.name, what=complaint) for complaint in complaints)


def _sound_then_salvaged(
    inside: Path, topics: Collection[str], start_ns: int, stop_ns: int, complaints: list[str]
) -> Iterator[Message]:
    """By rosbags to the first error; then what salvage finds and was not given yet."""
    given: Counter[tuple[str, int]] = Counter()
    try:
        with Reader(inside) as reader:
            wanted = [connection for connection in reader.connections if connection.topic in topics]
            if not wanted:
                return
            for connection, stamp, data in reader.messages(wanted, start_ns, stop_ns):
                if not isinstance(data, bytes | bytearray | memoryview):
                    raise TypeError("SQLite holds numbers too, and bytes() of one are as many zeros")
                given[connection.topic, stamp] += 1
                yield Message(topic=connection.topic, type_name=connection.msgtype, log_ns=stamp, data=bytes(data))
            return
    except GeneratorExit:
        raise
    except Exception:
        pass
    for message in SALVAGE[inside.suffix](inside, complaints):
        if message.topic not in topics or not start_ns <= message.log_ns < stop_ns:
            continue
        if given[message.topic, message.log_ns]:
            given[message.topic, message.log_ns] -= 1
            continue
        yield message
