"""Recordings of a bright square that wanders over a dark floor, written as every storage and compression there is."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from instructseq_replay.bags.types import blank, message_types

WIDTH, HEIGHT, SIDE = 64, 48, 12
START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
RAW, COMPRESSED = "/camera/image", "/camera/image/compressed"
MASKS = "/truth/mask"
BOXES = "/truth/boxes"
STORAGES = {
    "sqlite3": (StoragePlugin.SQLITE3, CompressionMode.NONE),
    "sqlite3-file": (StoragePlugin.SQLITE3, CompressionMode.FILE),
    "sqlite3-message": (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
    "mcap": (StoragePlugin.MCAP, CompressionMode.NONE),
    "mcap-zstd": (StoragePlugin.MCAP, CompressionMode.STORAGE),
    "mcap-file": (StoragePlugin.MCAP, CompressionMode.FILE),
    "mcap-message": (StoragePlugin.MCAP, CompressionMode.MESSAGE),
}


def stamp_of(number: int) -> int:
    """Nanoseconds of a frame."""
    return START_NS + number * STEP_NS


def mask_of(number: int) -> NDArray[np.bool_]:
    """Where the square of a frame is, H x W."""
    left, top = 3 * number % (WIDTH - SIDE), 2 * number % (HEIGHT - SIDE)
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[top : top + SIDE, left : left + SIDE] = True
    return mask


def pixels_of(number: int) -> NDArray[np.uint8]:
    """H x W x 3: the square over noise, so that compression has something to do."""
    noise = np.random.default_rng(number).integers(0, 60, (HEIGHT, WIDTH, 3), np.uint8)
    return np.where(mask_of(number)[..., None], np.uint8(230), noise)


def png(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return np.frombuffer(buffer.getvalue(), np.uint8)


class Recorder:
    """Writes messages of a frame into a bag."""

    def __init__(self, folder: Path, storage: str = "mcap") -> None:
        plugin, compression = STORAGES[storage]
        self.store = message_types("vision_msgs")
        self.writer = Writer(folder, version=8, storage_plugin=plugin)
        if compression is not CompressionMode.NONE:
            self.writer.set_compression(compression, CompressionFormat.ZSTD)
        self.connections: dict[str, object] = {}

    def header(self, number: int) -> object:
        seconds, nanoseconds = divmod(stamp_of(number), 10**9)
        stamp = blank(self.store, "builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
        return blank(self.store, "std_msgs/msg/Header", stamp=stamp, frame_id="camera_optical_frame")

    def write(self, topic: str, kind: str, log_ns: int, **fields: object) -> None:
        if topic not in self.connections:
            self.connections[topic] = self.writer.add_connection(topic, kind, typestore=self.store)
        data = self.store.serialize_cdr(blank(self.store, kind, **fields), kind)
        self.writer.write(self.connections[topic], log_ns, data)

    def raw(self, number: int, topic: str = RAW) -> None:
        pixels = pixels_of(number)
        self.write(
            topic,
            "sensor_msgs/msg/Image",
            stamp_of(number),
            header=self.header(number),
            height=HEIGHT,
            width=WIDTH,
            encoding="rgb8",
            step=WIDTH * 3,
            data=pixels.reshape(-1),
        )

    def compressed(self, number: int, topic: str = COMPRESSED, data: NDArray[np.uint8] | None = None) -> None:
        content = png(pixels_of(number)) if data is None else data
        kind = "sensor_msgs/msg/CompressedImage"
        self.write(topic, kind, stamp_of(number), header=self.header(number), format="png", data=content)

    def mask(self, number: int, late_ns: int = 0) -> None:
        self.write(
            MASKS,
            "sensor_msgs/msg/Image",
            stamp_of(number) + late_ns,
            header=self.header(number),
            height=HEIGHT,
            width=WIDTH,
            encoding="mono8",
            step=WIDTH,
            data=(mask_of(number) * np.uint8(255)).reshape(-1),
        )

    def boxes(self, number: int, class_id: str = "square") -> None:
        rows, columns = np.nonzero(mask_of(number))
        x, y = (columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2
        position = blank(self.store, "vision_msgs/msg/Point2D", x=float(x), y=float(y))
        centre = blank(self.store, "vision_msgs/msg/Pose2D", position=position)
        box = blank(self.store, "vision_msgs/msg/BoundingBox2D", center=centre, size_x=float(SIDE), size_y=float(SIDE))
        hypothesis = blank(self.store, "vision_msgs/msg/ObjectHypothesis", class_id=class_id, score=1.0)
        result = blank(self.store, "vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=hypothesis)
        header = self.header(number)
        detection = blank(self.store, "vision_msgs/msg/Detection2D", header=header, results=[result], bbox=box)
        kind = "vision_msgs/msg/Detection2DArray"
        self.write(BOXES, kind, stamp_of(number), header=header, detections=[detection])

    def scene(self, number: int) -> None:
        instances = (mask_of(number) * 2).astype(np.uint8)
        kind = "sensor_msgs/msg/CompressedImage"
        topic = "/truth/instances/compressed"
        self.write(topic, kind, stamp_of(number), header=self.header(number), format="png", data=png(instances))
        objects = {"objects": [{"index": 2, "name": "square", "colour": "white"}]}
        self.write("/truth/scene", "std_msgs/msg/String", stamp_of(number), data=json.dumps(objects))

    def __enter__(self) -> Recorder:
        self.writer.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()


MakeBag = Callable[..., Path]


@pytest.fixture
def make_bag(tmp_path: Path) -> MakeBag:
    """Writes a bag of `frames` frames and gives its folder."""

    def make(
        name: str = "bag", *, storage: str = "mcap", frames: int = 4, raw: bool = True, truth: bool = False
    ) -> Path:
        with Recorder(tmp_path / name, storage) as recorder:
            for number in range(frames):
                (recorder.raw if raw else recorder.compressed)(number)
                if truth:
                    recorder.mask(number)
                    recorder.boxes(number)
                    recorder.scene(number)
        return tmp_path / name

    return make


@pytest.fixture
def recorder() -> type[Recorder]:
    """The class that writes bags message by message."""
    return Recorder
