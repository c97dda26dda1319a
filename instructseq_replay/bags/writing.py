"""Bags in the mcap format of rosbag2, written without ROS's own tools."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys.store import Typestore

from instructseq_replay.bags.damage import Message
from instructseq_ros.distributions import COMMON_BAG_VERSION


class BagWriter:
    """Writes serialised messages into a new bag; a context manager. The same messages make the same bytes.

    Args:
        folder: the bag's folder; an older bag there is replaced.
        types: the message types that will be written.
        compress: compress the file (zstd), as raw images need.
    """

    def __init__(self, folder: Path, *, types: Typestore, compress: bool) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._writer = Writer(folder, version=COMMON_BAG_VERSION, storage_plugin=StoragePlugin.MCAP)
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

    def write(self, message: Message) -> None:
        """Append a message; its topic and type are declared at the first one."""
        key = (message.topic, message.type_name)
        if key not in self._connections:
            self._connections[key] = self._writer.add_connection(
                message.topic, message.type_name, typestore=self._types, serialization_format="cdr"
            )
        self._writer.write(self._connections[key], message.log_ns, message.data)
