"""Bags in the mcap format of rosbag2, read and written without ROS's own tools."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, ReaderError, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from instructseq_model.errors import InstructSeqError

INTERFACE_PACKAGES = ("vision_msgs", "instructseq")
"""Packages whose message definitions are read from the ROS environment; all others are known to the bag library."""


class BagError(InstructSeqError):
    """A bag is missing or damaged, or the shell does not know a message type."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One message of a bag; `stamp_ns` is the time at which it was recorded, nanoseconds."""

    topic: str
    type_name: str
    stamp_ns: int
    data: bytes


def message_types(*packages: str) -> Typestore:
    """The message types of ROS 2's common interfaces and of the packages named.

    Args:
        packages: packages of interfaces in the ROS environment of this shell, each after the ones it uses.

    Raises:
        BagError: a package is not in the environment.
    """
    store = get_typestore(Stores.ROS2_HUMBLE)
    found: dict[str, Any] = {}
    for package in packages:
        for path in _definitions(package):
            found.update(get_types_from_msg(path.read_text(encoding="utf-8"), f"{package}/msg/{path.stem}"))
    store.register(found)
    return store


def _definitions(package: str) -> list[Path]:
    """The .msg files of a package, from the first installation prefix that has them."""
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        files = sorted((Path(prefix) / "share" / package / "msg").glob("*.msg"))
        if files:
            return files
    raise BagError(f"the ROS package {package} is not in this shell's environment: run `. scripts/env.sh` first")


class BagWriter:
    """Writes serialised messages into a new bag; a context manager.

    Args:
        folder: the bag's folder; an older bag there is replaced.
        types: the message types that will be written.
        compress: compress the file (zstd), as raw images need.
    """

    def __init__(self, folder: Path, *, types: Typestore, compress: bool) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Version 8 of metadata.yaml is the newest that Humble reads.
        self._writer = Writer(folder, version=8, storage_plugin=StoragePlugin.MCAP)
        if compress:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._types = types
        self._connections: dict[tuple[str, str], Any] = {}

    def __enter__(self) -> BagWriter:
        self._writer.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def write(self, record: Record) -> None:
        """Append a message; its topic and type are declared at the first one."""
        key = (record.topic, record.type_name)
        if key not in self._connections:
            self._connections[key] = self._writer.add_connection(
                record.topic, record.type_name, typestore=self._types, serialization_format="cdr"
            )
        self._writer.write(self._connections[key], record.stamp_ns, record.data)


def read_bag(folder: Path) -> Iterator[Record]:
    """The messages of a bag, in the order of their time.

    Raises:
        BagError: there is no bag, or it is damaged.
    """
    if not (folder / "metadata.yaml").is_file():
        raise BagError(f"there is no bag at {folder}: name a folder with a metadata.yaml in it")
    try:
        with Reader(folder) as reader:
            for connection, stamp_ns, data in reader.messages():
                yield Record(topic=connection.topic, type_name=connection.msgtype, stamp_ns=stamp_ns, data=bytes(data))
    except ReaderError as error:
        raise BagError(f"the bag at {folder} is damaged ({error}): record it again") from None
