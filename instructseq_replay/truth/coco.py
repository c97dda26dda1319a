"""Truth from a file in COCO's JSON format, `coco:FILE`: boxes and outlines that people drew on exported frames.

An image belongs to the frame whose stamp its `file_name` is, without folder and ending: nanoseconds
(`1700000000100000000.png`) or seconds with nine decimals (`1700000000.100000000.png`). Where several cameras share
stamps, a key `topic` of the image names the camera. Targets are names of categories, or their ids.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_replay.instructions import Asked
from instructseq_replay.truth.truth import FrameFacts, Truth, TruthError


class CocoTruth:
    """A COCO file.

    Args:
        name: path of the file.

    Raises:
        TruthError: it is missing, or not in COCO's format.
    """

    gives = frozenset({"mask", "boxes", "names"})
    topics: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        path = Path(name)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            self._names = {int(one["id"]): str(one["name"]) for one in content["categories"]}
            self._images = {_stamp_ns(one["file_name"]): [] for one in content["images"]}  # type: dict[int, list[Any]]
            for one in content["images"]:
                self._images[_stamp_ns(one["file_name"])].append(one)
            self._annotations: dict[int, list[dict[str, Any]]] = {}
            for annotation in content["annotations"]:
                self._annotations.setdefault(int(annotation["image_id"]), []).append(annotation)
        except FileNotFoundError:
            raise TruthError(f"there is no file {path}: name a COCO file after `coco:`") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TruthError(
                f"{path} is not a COCO file ({error!r}): it needs images, annotations and categories, "
                "and stamps as file names"
            ) from None

    def truth_of(self, frame: FrameFacts, asked: Asked) -> Truth | None:
        """Mask and boxes of the targets, or of every annotation."""
        image = next(
            (
                one
                for one in self._images.get(frame.header.stamp_ns, ())
                if one.get("topic", frame.key.topic) == frame.key.topic
            ),
            None,
        )
        if image is None:
            return None
        annotations = self._annotations.get(int(image["id"]), [])
        chosen = [one for one in annotations if self._is_meant(one, asked)]
        corners = [(x, y, x + width, y + height) for x, y, width, height in (one["bbox"] for one in chosen)]
        drawn = all(one.get("segmentation") for one in chosen)
        return Truth(
            mask=_mask(chosen, frame.size_wh) if drawn else None,
            boxes=np.array(corners, np.float64).reshape(-1, 4),
            names=tuple(sorted({self._names[int(one["category_id"])] for one in annotations})),
        )

    def _is_meant(self, annotation: dict[str, Any], asked: Asked) -> bool:
        category = int(annotation["category_id"])
        return not asked.targets or category in asked.targets or self._names[category] in asked.targets


def _stamp_ns(file_name: str) -> int:
    """The stamp in a file name; ValueError where there is none."""
    stem = Path(file_name).name.rsplit(".", 1)[0]
    seconds, point, decimals = stem.partition(".")
    return int(seconds) * 10**9 + int(decimals.ljust(9, "0")[:9]) if point else int(seconds)


def _mask(annotations: list[dict[str, Any]], size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Where any of the outlines is, H x W; polygons, and run lengths compressed or not."""
    from pycocotools import mask as coco_mask

    width, height = size_wh
    mask = np.zeros((height, width), np.bool_)
    for annotation in annotations:
        outline = annotation["segmentation"]
        runs = coco_mask.frPyObjects(outline, height, width) if not _is_packed(outline) else outline
        decoded = coco_mask.decode(coco_mask.merge(runs) if isinstance(runs, list) else runs)
        if decoded.shape != mask.shape:
            raise TruthError(
                f"the outline of annotation {annotation.get('id')} is of {decoded.shape[1]}x{decoded.shape[0]} pixels "
                f"and the frame of {width}x{height}: export the frames in their own size"
            )
        mask |= decoded.astype(np.bool_)
    return mask


def _is_packed(outline: Any) -> bool:
    return isinstance(outline, dict) and not isinstance(outline.get("counts"), list)
