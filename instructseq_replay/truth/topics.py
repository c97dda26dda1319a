"""Truth from topics of the recording: masks, class maps, boxes, and scenes as `instructseq sim` publishes them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructseq_replay.instructions import Asked
from instructseq_replay.truth.truth import FrameFacts, Truth, TruthError, boxes_around

DETECTIONS = "vision_msgs/msg/Detection2DArray"
_ID_TYPES = {"mono8": np.uint8, "8UC1": np.uint8, "mono16": np.uint16, "16UC1": np.uint16, "32SC1": np.int32}


class MaskTruth:
    """A mask image, `masks:TOPIC`: pixels that are not 0 are meant, or those whose value is a target.

    Args:
        topic: of sensor_msgs/Image, or CompressedImage with PNG.
    """

    gives = frozenset({"mask", "boxes"})

    def __init__(self, topic: str) -> None:
        self.topics: tuple[str, ...] = (topic,)

    def truth_of(self, frame: FrameFacts, asked: Asked) -> Truth | None:
        """The mask; its boxes are one for each target, or one around everything."""
        ids = _ids(frame, self.topics[0])
        if ids is None:
            return None
        named = [target for target in asked.targets if isinstance(target, str)]
        if named:
            raise TruthError(
                f"the instruction {asked.id!r} has the target {named[0]!r}, but masks have no names: give pixel values"
            )
        wanted = [ids == target for target in asked.targets] if asked.targets else [ids != 0]
        return Truth(mask=np.logical_or.reduce(wanted), boxes=boxes_around(wanted))


class ClassTruth:
    """A map of class ids, `classes:TOPIC`; ids that the label set lacks are unlabelled.

    Args:
        topic: of sensor_msgs/Image, or CompressedImage with PNG.
    """

    gives = frozenset({"classes"})

    def __init__(self, topic: str) -> None:
        self.topics: tuple[str, ...] = (topic,)

    def truth_of(self, frame: FrameFacts, asked: Asked) -> Truth | None:
        """The class ids."""
        ids = _ids(frame, self.topics[0])
        return None if ids is None else Truth(classes=ids)


class BoxTruth:
    """Boxes, `boxes:TOPIC`; targets are class ids of their hypotheses.

    Args:
        topic: of vision_msgs/Detection2DArray.
    """

    gives = frozenset({"boxes", "names"})

    def __init__(self, topic: str) -> None:
        self.topics: tuple[str, ...] = (topic,)

    def truth_of(self, frame: FrameFacts, asked: Asked) -> Truth | None:
        """The boxes of the targets, or all."""
        message = frame.messages.stamped(self.topics[0])
        if message is None:
            return None
        _expect(message, self.topics[0], DETECTIONS)
        wanted = {str(target) for target in asked.targets}
        boxes, names = [], []
        for detection in message.detections:
            name = detection.results[0].hypothesis.class_id if detection.results else ""
            names.append(name)
            if not wanted or name in wanted:
                centre, box = detection.bbox.center.position, detection.bbox
                half = (box.size_x / 2, box.size_y / 2)
                boxes.append((centre.x - half[0], centre.y - half[1], centre.x + half[0], centre.y + half[1]))
        return Truth(boxes=np.array(boxes, np.float64).reshape(-1, 4), names=tuple(names))


class SceneTruth:
    """A scene, `scene:PREFIX`: instances with names, as `instructseq sim` and `instructseq scenes --bag` give them.

    Topics: PREFIX/instances (index of the object, 0 for none) and PREFIX/classes, each as Image or, with /compressed
    behind it, as PNG; PREFIX/scene with the objects as JSON (index, name, colour), or PREFIX/detections, whose id is
    the index and whose class id is the name. Targets are names ("mug"), colours and names ("red mug"), or indices.

    Args:
        prefix: such as /truth.
    """

    gives = frozenset({"mask", "boxes", "classes", "names"})

    def __init__(self, prefix: str) -> None:
        self._instances = (f"{prefix}/instances", f"{prefix}/instances/compressed")
        self._classes = (f"{prefix}/classes", f"{prefix}/classes/compressed")
        self._scene, self._detections = f"{prefix}/scene", f"{prefix}/detections"
        self.topics: tuple[str, ...] = (*self._instances, *self._classes, self._scene, self._detections)

    def truth_of(self, frame: FrameFacts, asked: Asked) -> Truth | None:
        """Mask and boxes of the targets (of every object without any), the classes, and the names in view."""
        instances = next((ids for topic in self._instances if (ids := _ids(frame, topic)) is not None), None)
        classes = next((ids for topic in self._classes if (ids := _ids(frame, topic)) is not None), None)
        if instances is None:
            return None if classes is None else Truth(classes=classes)
        called = dict(self._objects(frame))
        wanted = [
            index
            for index, names in called.items()
            if not asked.targets or index in asked.targets or names & set(asked.targets)
        ]
        masks = [instances == index for index in wanted]
        seen = set(np.unique(instances).tolist())
        return Truth(
            mask=np.logical_or.reduce(masks) if masks else np.zeros(instances.shape, np.bool_),
            boxes=boxes_around(masks),
            classes=classes,
            names=tuple(sorted({min(names, key=len) for index, names in called.items() if index in seen and names})),
        )

    def _objects(self, frame: FrameFacts) -> Iterator[tuple[int, set[str]]]:
        """Index of each object, and what it is called."""
        scene = frame.messages.latest(self._scene)
        if scene is not None:
            _expect(scene, self._scene, "std_msgs/msg/String")
            try:
                for thing in json.loads(scene.data)["objects"]:
                    name, colour = str(thing["name"]), thing.get("colour")
                    yield int(thing["index"]), {name, f"{colour} {name}"} if colour else {name}
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
                raise TruthError(
                    f"{self._scene} is not a scene ({error!r:.200}): it must list objects with index and name"
                ) from None
            return
        detections = frame.messages.stamped(self._detections)
        if detections is None:
            return
        _expect(detections, self._detections, DETECTIONS)
        for detection in detections.detections:
            if detection.id.isdigit():
                yield int(detection.id), {result.hypothesis.class_id for result in detection.results}


def _expect(message: Any, topic: str, *kinds: str) -> None:
    """Raise a TruthError if a message is of another type."""
    found = getattr(message, "__msgtype__", "")
    if found not in kinds:
        raise TruthError(f"{topic} holds {found}: truth is read there from {' or '.join(kinds)}")


def _ids(frame: FrameFacts, topic: str) -> NDArray[Any] | None:
    """H x W ids of a topic's message for the frame; None where there is none."""
    message = frame.messages.stamped(topic)
    if message is None:
        return None
    _expect(message, topic, "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
    ids = _ids_of_png(message, topic) if hasattr(message, "format") else _ids_of_image(message, topic)
    width, height = frame.size_wh
    if ids.shape != (height, width):
        raise TruthError(
            f"{topic} has {ids.shape[1]}x{ids.shape[0]} pixels and the frame {width}x{height}: "
            "record truth of the same size"
        )
    return ids


def _ids_of_png(message: Any, topic: str) -> NDArray[Any]:
    try:
        with Image.open(io.BytesIO(bytes(message.data)), formats=("PNG",)) as file:
            ids = np.array(file)
    except Exception as error:  # Pillow raises errors of many kinds
        raise TruthError(f"{topic} holds an image that is no PNG of ids ({error})") from None
    if ids.ndim != 2:
        raise TruthError(f"{topic} holds colours: truth is one grey or palette value a pixel")
    return ids


def _ids_of_image(message: Any, topic: str) -> NDArray[Any]:
    if message.encoding not in _ID_TYPES:
        raise TruthError(f"{topic} has the encoding {message.encoding!r}: record ids as {', '.join(_ID_TYPES)}")
    kind = np.dtype(_ID_TYPES[message.encoding]).newbyteorder(">" if message.is_bigendian else "<")
    if message.data.nbytes != message.height * message.step or message.step < message.width * kind.itemsize:
        raise TruthError(f"{topic} has {message.data.nbytes} bytes for {message.height} rows of {message.step}")
    rows = np.asarray(message.data).view(np.uint8).reshape(message.height, message.step)  # H x step
    ids: NDArray[Any] = np.ascontiguousarray(rows[:, : message.width * kind.itemsize]).view(kind)
    return ids.astype(kind.newbyteorder("="))
