"""The demo's own bags: whole, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rosbags.rosbag2 import Reader, ReaderError

from instructseq_replay.bags.damage import Message
from instructseq_replay.bags.errors import BagError


def read_bag(folder: Path) -> Iterator[Message]:
    """The messages of a bag, in the order of their time.

    Raises:
        BagError: there is no bag, or it is damaged.
    """
    if not (folder / "metadata.yaml").is_file():
        raise BagError(f"there is no bag at {folder}: name a folder with a metadata.yaml in it")
    try:
        with Reader(folder) as reader:
            for connection, log_ns, data in reader.messages():
                yield Message(topic=connection.topic, type_name=connection.msgtype, log_ns=log_ns, data=bytes(data))
    except ReaderError as error:
        raise BagError(f"the bag at {folder} is damaged ({error}): record it again") from None
