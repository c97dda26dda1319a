"""One picture of what the demo answered, for the README: a row for each input, an answer of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructseq_cli.demo.plan import Act, Ask
from instructseq_cli.demo.session import Course
from instructseq_model.overlay import draw_perception

TILE_WH = (440, 330)
"""Width and height of one answer, pixels."""

_GAP = 6  # pixels
_JPEG_QUALITY = 88


def write_picture(path: Path, acts: Sequence[Act], course: Course) -> None:
    """Write the answers as a grid; an instruction without an answer leaves its tile white.

    Args:
        path: the file; its suffix names the format.
        acts: one row each, with their instructions as columns.
        course: what happened. Of several answers to an instruction the middle one is shown, whatever its score.
    """
    width, height = TILE_WH
    columns = max(len(act.asks) for act in acts)
    size = (columns * (width + _GAP) - _GAP, len(acts) * (height + _GAP) - _GAP)
    grid = Image.new("RGB", size, (255, 255, 255))
    for row, act in enumerate(acts):
        for column, ask in enumerate(act.asks):
            tile = _tile(act, ask, course)
            if tile is not None:
                picture = Image.fromarray(tile).resize(TILE_WH, Image.Resampling.LANCZOS)
                grid.paste(picture, (column * (width + _GAP), row * (height + _GAP)))
    path.parent.mkdir(parents=True, exist_ok=True)
    grid.save(path, quality=_JPEG_QUALITY)


def _tile(act: Act, ask: Ask, course: Course) -> NDArray[np.uint8] | None:
    answers = [answer for answer in course.answers if (answer.act.name, answer.ask.text) == (act.name, ask.text)]
    if not answers:
        return None
    shown = answers[len(answers) // 2]
    return draw_perception(shown.frame.pixels, shown.perception)
