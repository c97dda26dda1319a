"""Pictures of single frames: the source with the truth outlined, the answer, and its confidence."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructseq_model.overlay import draw_confidence, draw_perception
from instructseq_model.perception import Perception
from instructseq_replay.truth.truth import Truth

WIDTH = 420
"""Pixels of a picture in the report, at most."""

_QUALITY = 82
_TRUTH = (255, 0, 200)


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Data URLs; empty where there is nothing to show."""

    source: str
    answer: str
    confidence: str


def pictures_of(image: NDArray[np.uint8], perception: Perception | None, truth: Truth | None) -> Pictures:
    """The pictures of one answer.

    Args:
        image: H x W x 3 uint8, RGB.
        perception: the answer; None where there is none.
        truth: drawn as a magenta outline; None where it is not known.
    """
    source = _inline(outlined(image, truth))
    if perception is None:
        return Pictures(source=source, answer="", confidence="")
    fitted = replace(perception, size_wh=(image.shape[1], image.shape[0]))
    confidence = ""
    if perception.confidence is not None:
        confidence = _inline(draw_confidence(image, perception.confidence))
    return Pictures(
        source=source, answer=_inline(draw_perception(image, fitted, instruction=False)), confidence=confidence
    )


def outlined(image: NDArray[np.uint8], truth: Truth | None) -> NDArray[np.uint8]:
    """The image with the outline of the true mask, or the true boxes, H x W x 3."""
    if truth is None or (truth.mask is None and truth.boxes is None):
        return image
    drawn = image.copy()
    thick = max(1, round(min(image.shape[:2]) / 160))
    if truth.mask is not None:
        outlines, _ = cv2.findContours(truth.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, outlines, -1, _TRUTH, thick)
    elif truth.boxes is not None:
        for x1, y1, x2, y2 in truth.boxes.round().astype(int).tolist():
            cv2.rectangle(drawn, (x1, y1), (x2 - 1, y2 - 1), _TRUTH, thick)
    return drawn


def _inline(image: NDArray[np.uint8]) -> str:
    """A picture as a data URL, JPEG, at most `WIDTH` wide."""
    picture = Image.fromarray(image)
    if picture.width > WIDTH:
        picture = picture.resize(
            (WIDTH, max(1, round(picture.height * WIDTH / picture.width))), Image.Resampling.LANCZOS
        )
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
