"""Bags of replay: cut off, with bits flipped, with other schemas than their bytes, with sizes that nobody has."""

from __future__ import annotations

import io
import json
import sqlite3
import struct
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import yaml
from PIL import Image
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from instructseq_model.errors import InstructSeqError
from instructseq_replay.bags.bag import open_bag
from instructseq_replay.bags.damage import Damage
from instructseq_replay.bags.errors import BagError
from instructseq_replay.bags.types import blank
from instructseq_replay.frames import cameras_of, frames_of
from instructseq_replay.instructions import Asked
from instructseq_replay.truth.messages import TruthMessages
from instructseq_replay.truth.table import AllTruth, truth_source
from instructseq_replay.truth.truth import FrameFacts

from .folders import as_json, lay
from .mutation import EXTREMES, disturbed, mutated, text

TYPES = get_typestore(Stores.ROS2_HUMBLE)
STORAGES = (
    (StoragePlugin.SQLITE3, CompressionMode.NONE),
    (StoragePlugin.SQLITE3, CompressionMode.FILE),
    (StoragePlugin.MCAP, CompressionMode.NONE),
    (StoragePlugin.MCAP, CompressionMode.STORAGE),
    (StoragePlugin.MCAP, CompressionMode.MESSAGE),
)
SIDE = 8
IMAGE, COMPRESSED, TEXT = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "std_msgs/msg/String"
TRUTH = AllTruth([truth_source("scene:/truth"), truth_source("masks:/mask")])
ASKED = Asked(id="mug", say="mark the mug", targets=())
HUGE = (2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1)
ZSTD = b"\x28\xb5\x2f\xfd"

Recorded = tuple[str, str, int, bytes]
"""A message: topic, type, time in nanoseconds, bytes."""


def make(random: Random) -> dict[str, bytes]:
    """Files of a bag's folder by name."""
    plugin, compression = random.choice(STORAGES)
    kind = random.random()
    if kind < 0.1:
        return sound(plugin, compression)
    if kind < 0.45:
        return written(disturbed_messages(random), plugin, compression)
    files = dict(sound(plugin, compression))
    storage = next(name for name in files if name != "metadata.yaml")
    if kind < 0.55:
        files["metadata.yaml"] = disturbed_metadata(random, files["metadata.yaml"])
    elif kind < 0.65 and storage.endswith(".db3"):
        files[storage] = disturbed_rows(random, files[storage])
    elif kind < 0.75:
        files[storage] = with_huge_size(random, files[storage])
    elif kind < 0.85:
        files[storage] = files[storage][: random.randrange(len(files[storage]))]
    else:
        files[storage] = mutated(random, files[storage])
    if random.random() < 0.1:
        del files["metadata.yaml"]
    return files


def feed(files: dict[str, bytes]) -> None:
    """Everything readable is read, with its truth; the first thing that was not is told as a refusal."""
    folder = _folder() / "bag"
    lay(folder, files)
    damage: set[Damage] = set()
    problems: list[InstructSeqError] = []
    bag = open_bag(folder)
    topics, is_sound = bag.topics()
    cameras = cameras_of(topics, asked=(), truth=TRUTH.topics)
    truths = TruthMessages(iter(bag.messages(TRUTH.topics, damage=damage)), types=TYPES, damage=damage)
    last = -1
    for frame in frames_of(bag, cameras, damage=damage):
        try:
            header, image = frame.decode(TYPES)
            assert image.dtype == np.uint8
            assert image.ndim == 3
            if frame.key.log_ns >= last:  # a damaged file's messages may be out of order, which scoring sorts
                last = frame.key.log_ns
                facts = FrameFacts(
                    key=frame.key,
                    header=header,
                    size_wh=(image.shape[1], image.shape[0]),
                    messages=truths.of(frame.key, header),
                )
                TRUTH.truth_of(facts, ASKED)
        except InstructSeqError as problem:
            problems.append(problem)
    if problems:
        raise problems[0]
    if damage or not is_sound:
        raise BagError(f"the bag is damaged: {min(damage).what if damage else 'its index does not tell the whole'}")


@cache
def messages() -> tuple[Recorded, ...]:
    """Two frames of two cameras with their truth."""
    found: list[Recorded] = []
    for number in range(2):
        stamp = blank(TYPES, "builtin_interfaces/msg/Time", sec=1000, nanosec=number)
        header = blank(TYPES, "std_msgs/msg/Header", stamp=stamp, frame_id="camera")
        ids = np.zeros((SIDE, SIDE), np.uint8)
        ids[2:5, 2:5] = 2
        pixels = np.full((SIDE, SIDE, 3), 90, np.uint8)
        common = {"header": header, "height": SIDE, "width": SIDE}
        scene = {"objects": [{"index": 2, "name": "mug", "colour": "red"}]}
        contents: list[tuple[str, str, dict[str, Any]]] = [
            ("/camera", IMAGE, {**common, "encoding": "rgb8", "step": 3 * SIDE, "data": pixels.reshape(-1)}),
            ("/other", COMPRESSED, {"header": header, "format": "png", "data": png(pixels)}),
            ("/mask", IMAGE, {**common, "encoding": "mono8", "step": SIDE, "data": ids.reshape(-1)}),
            ("/truth/instances/compressed", COMPRESSED, {"header": header, "format": "png", "data": png(ids)}),
            ("/truth/scene", TEXT, {"data": json.dumps(scene)}),
        ]
        found += [
            (topic, kind, 10**12 + number, bytes(TYPES.serialize_cdr(blank(TYPES, kind, **fields), kind)))
            for topic, kind, fields in contents
        ]
    return tuple(found)


def png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A PNG's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return np.frombuffer(buffer.getvalue(), np.uint8)


def disturbed_messages(random: Random) -> list[Recorded]:
    """The messages with some changed: their bytes, the type that they say they are of, their topic, their time."""
    held = [*messages()]
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(held))
        topic, kind, stamp, data = held[at]
        change = random.randrange(6)
        if change == 0:
            data = mutated(random, data)
        elif change == 1:
            kind = random.choice((IMAGE, COMPRESSED, TEXT, "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/PointCloud2"))
        elif change == 2:
            topic = random.choice([other for other, *_ in held])
        elif change == 3:
            stamp = random.choice((0, 1, 2**62, 2**63 - 1, stamp))
        elif change == 4:
            start = random.randrange(4, max(5, len(data) - 4))
            data = data[:start] + struct.pack("<I", random.choice(EXTREMES)) + data[start + 4 :]
        else:
            scene = as_json(disturbed(random, json.loads('{"objects": [{"index": 2, "name": "mug", "colour": null}]}')))
            words = blank(TYPES, TEXT, data=scene.decode() if random.random() < 0.95 else "[" * 100_000)
            topic, kind, data = "/truth/scene", TEXT, bytes(TYPES.serialize_cdr(words, TEXT))
        held[at] = (topic, kind, stamp, data)
    return held


def disturbed_metadata(random: Random, content: bytes) -> bytes:
    """metadata.yaml with other values, or damaged."""
    if random.random() < 0.6:
        return as_json(disturbed(random, yaml.safe_load(content)))
    return random.choice((mutated(random, content), b"[" * 100_000, text(random).encode("utf-8", "surrogatepass")))


def disturbed_rows(random: Random, content: bytes) -> bytes:
    """A database whose rows hold what no recorder writes."""
    file = _folder() / "rows.db3"
    file.write_bytes(content)
    database = sqlite3.connect(file)
    odd = (*HUGE, -1, -(2**63), 0.5, "words", b"\xff\x00", None)
    for _ in range(random.randint(1, 3)):
        table, columns = random.choice(
            (("messages", ("id", "topic_id", "timestamp", "data")), ("topics", ("id", "name", "type")))
        )
        row = f"rowid = (SELECT rowid FROM {table} LIMIT 1 OFFSET {random.randrange(10)})"
        try:
            database.execute(f"UPDATE {table} SET {random.choice(columns)} = ? WHERE {row}", (random.choice(odd),))
        except sqlite3.Error:
            continue  # the schema forbids it
    database.commit()
    database.close()
    return file.read_bytes()


def with_huge_size(random: Random, content: bytes) -> bytes:
    """A length somewhere in the file, or in the header of what zstd compressed, that no machine has memory for."""
    size = random.choice(HUGE)
    start = content.find(ZSTD)
    if start >= 0 and random.random() < 0.5:  # its next byte says that the content's size follows in eight bytes
        return content[: start + 4] + b"\xe0" + struct.pack("<Q", size) + content[start + 6 :]
    start = random.randrange(len(content))
    return content[:start] + struct.pack("<Q", size) + content[start + 8 :]


@cache
def sound(plugin: StoragePlugin, compression: CompressionMode) -> dict[str, bytes]:
    """The files of a bag with nothing wrong."""
    return written([*messages()], plugin, compression)


def written(recorded: list[Recorded], plugin: StoragePlugin, compression: CompressionMode) -> dict[str, bytes]:
    """The files of a bag with these messages."""
    folder = _folder() / "written"
    lay(folder, {})
    folder.rmdir()
    writer = Writer(folder, version=8, storage_plugin=plugin)
    if compression is not CompressionMode.NONE:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connections: dict[tuple[str, str], Any] = {}
        for topic, kind, stamp, data in recorded:
            if (topic, kind) not in connections:
                connections[topic, kind] = writer.add_connection(topic, kind, typestore=TYPES)
            writer.write(connections[topic, kind], stamp, data)
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="fuzz-"))
