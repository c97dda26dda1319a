"""A perception as files (mask, overlay, confidence, JSON) and as the one line that the terminal shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_cli.images import write_confidence, write_ids, write_rgb
from instructseq_model.overlay import draw_perception, legend_rows, percent
from instructseq_model.perception import Box, Perception

BINARY_COLOURS = np.array([(0, 0, 0), (255, 255, 255)], np.uint8)  # background, the referred object


def write_results(folder: Path, image: NDArray[np.uint8], perception: Perception) -> list[Path]:
    """Write what a perception holds; what it does not hold is not written, and is removed if an earlier run left it.

    Args:
        folder: where to; made if missing.
        image: H x W x 3 uint8, RGB: the source image.
        perception: the answer.

    Returns:
        The files written, in the order mask.png, confidence.png, agreement.png, overlay.png, perception.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("mask.png", "confidence.png", "agreement.png", "overlay.png", "perception.json"):
        (folder / name).unlink(missing_ok=True)
    written = []
    if perception.mask is not None:
        write_ids(folder / "mask.png", perception.mask, _mask_colours(perception))
        written.append(folder / "mask.png")
    for name, values in (("confidence", perception.confidence), ("agreement", perception.agreement)):
        if values is not None:
            write_confidence(folder / f"{name}.png", values)
            written.append(folder / f"{name}.png")
    write_rgb(folder / "overlay.png", draw_perception(image, perception))
    written.append(folder / "overlay.png")
    description = json.dumps(as_json(perception), indent=2, ensure_ascii=False)
    (folder / "perception.json").write_text(description + "\n", encoding="utf-8")
    return [*written, folder / "perception.json"]


def _mask_colours(perception: Perception) -> NDArray[np.uint8]:
    """The colours in which mask.png shows: black and white, or the label set's with black for unlabelled."""
    if perception.label_set is None:
        return BINARY_COLOURS
    return perception.label_set.all_colours


def as_json(perception: Perception) -> dict[str, Any]:
    """A perception as plain values: everything but the pixels, which the PNG files hold.

    Returns:
        What `json.dumps` takes. Coordinates are pixels of the source image, times are seconds.
    """
    found: dict[str, Any] = {
        "instruction": perception.instruction,
        "kind": perception.kind.value,
        "task": perception.task.value,
        "width": perception.size_wh[0],
        "height": perception.size_wh[1],
        "score": round(float(perception.score), 4),
        "samples": perception.samples,
        "boxes": [_box_as_json(box) for box in perception.boxes],
        "caption": perception.caption,
        "kind_probabilities": {name: round(float(value), 4) for name, value in perception.kind_probabilities.items()},
        "timings": {name: round(float(value), 4) for name, value in perception.timings.items()},
    }
    if perception.confidence is not None:
        found["mean_confidence"] = round(float(np.mean(perception.confidence)), 4)
    if perception.mask is not None and perception.label_set is None:
        found["mask_pixels"] = int(np.count_nonzero(perception.mask))
    if perception.mask is not None and perception.label_set is not None:
        found["label_set"] = perception.label_set.name
        found["unlabelled"] = int(perception.label_set.unlabelled)
        found["classes"] = _classes_as_json(perception)
    return found


def _box_as_json(box: Box) -> dict[str, float]:
    return {name: round(float(getattr(box, name)), 4) for name in ("x1", "y1", "x2", "y2", "score")}


def _classes_as_json(perception: Perception) -> list[dict[str, Any]]:
    """The classes that occur, by id, with their pixels."""
    assert perception.mask is not None
    assert perception.label_set is not None
    ids, counts = np.unique(perception.mask, return_counts=True)
    names = (*perception.label_set.names, "unlabelled")
    return [
        {"id": int(index), "name": names[int(index)], "pixels": int(count)}
        for index, count in zip(ids, counts, strict=True)
    ]


def in_words(perception: Perception) -> str:
    """The answer in one line, for a terminal: the caption, the boxes, or what the mask covers."""
    if perception.caption is not None:
        return perception.caption or "(no words)"
    if perception.label_set is not None:
        rows = [f"{name} {percent(share)}" for name, _, share in legend_rows(perception)]
        return f"classes: {', '.join(rows) if rows else 'none, everything is unlabelled'}"
    if perception.mask is None:
        return "; ".join(map(_box_in_words, perception.boxes)) or "no box: nothing in the image fits the instruction"
    share = np.count_nonzero(perception.mask) / max(1, perception.mask.size)
    if share == 0:
        return "empty mask: nothing in the image fits the instruction"
    return f"mask: {share:.1%} of the image; {'; '.join(map(_box_in_words, perception.boxes[:1]))}".rstrip("; ")


def _box_in_words(box: Box) -> str:
    return f"box x {box.x1:.0f}-{box.x2:.0f}, y {box.y1:.0f}-{box.y2:.0f} (score {box.score:.2f})"
