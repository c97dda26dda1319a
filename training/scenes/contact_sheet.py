"""A picture of some frames with their truth: `python -m instructseq_training.scenes.contact_sheet SHARD... PICTURE`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from instructseq_training.scenes.shards import Sample, read_shard

COLUMNS = 4
ROWS = 3
LINE = 14  # pixels, for the expression under each picture
TARGET = (255, 0, 220)
KINDS = ("relation", "colour", "side", "all", "ordinal", "superlative", "size", "name")


def contact_sheet(samples: Sequence[Sample]) -> Image.Image:
    """Twelve frames, each with one expression below it, what it means tinted, and boxes round all objects."""
    height, width = samples[0].rgb.shape[:2]
    sheet = Image.new("RGB", (COLUMNS * width, ROWS * (height + LINE)), (20, 20, 20))
    for number, sample in enumerate(samples[: COLUMNS * ROWS]):
        column, row = number % COLUMNS, number // COLUMNS
        expression = _expression(sample, KINDS[number % len(KINDS)])
        corner = (column * width, row * (height + LINE))
        sheet.paste(_tinted(sample, expression["targets"]), corner)
        ImageDraw.Draw(sheet).text((corner[0] + 4, corner[1] + height + 1), expression["text"], fill=(255, 255, 255))
    return sheet


def _expression(sample: Sample, kind: str) -> dict[str, Any]:
    """The frame's longest expression of a kind, or else of any kind."""
    found = [e for e in sample.record["expressions"] if e["targets"]]
    return max([e for e in found if e["kind"] == kind] or found, key=lambda e: len(e["text"]))


def _tinted(sample: Sample, targets: Sequence[int]) -> Image.Image:
    rgb = sample.rgb.astype(np.float64)
    mask = np.isin(sample.instances, targets)
    rgb[mask] = 0.45 * rgb[mask] + 0.55 * np.array(TARGET)
    picture = Image.fromarray(rgb.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for found in sample.record["objects"]:
        x1, y1, x2, y2 = found["box"]
        draw.rectangle((x1, y1, x2 - 1, y2 - 1), outline=TARGET if found["index"] in targets else (220, 220, 220))
    return picture


if __name__ == "__main__":
    files = [Path(word) for word in sys.argv[1:-1]]
    each = [list(read_shard(file)) for file in files]
    chosen = [shard[len(shard) // 2] for shard in each] + [shard[len(shard) // 3] for shard in each]
    contact_sheet(chosen).resize((1120, 667)).quantize(256, kmeans=3).save(sys.argv[-1], optimize=True)
