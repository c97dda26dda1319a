"""The demo's report: one HTML file with everything in it, for any browser, without a network."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment
from numpy.typing import NDArray
from PIL import Image

from instructseq_cli.demo.answers import Answer
from instructseq_cli.demo.plan import Act, Ask
from instructseq_cli.demo.session import Course
from instructseq_cli.demo.summary import verdict
from instructseq_cli.results import in_words
from instructseq_model.overlay import draw_confidence, draw_perception

TEMPLATE = "report.html.j2"
STRIP_LENGTH = 6
"""At most this many frames of a moving camera are shown as a strip."""

_JPEG_QUALITY = 85
_STRIP_WIDTH = 240  # pixels


def write_report(path: Path, acts: Sequence[Act], course: Course, summary: dict[str, Any], model: str) -> None:
    """Write the report.

    Args:
        path: the HTML file.
        acts: the inputs with their instructions, in the order of the report.
        course: what happened.
        summary: what `summarise` made of it.
        model: name of the checkpoint, for the heading.
    """
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("instructseq_cli.demo").joinpath(TEMPLATE).read_text(encoding="utf-8"))
    sections = [
        {
            "title": act.title,
            "numbers": summary["inputs"][act.name],
            "cards": [_card(act, ask, course) for ask in act.asks],
        }
        for act in acts
    ]
    path.write_text(template.render(sections=sections, summary=summary, model=model), encoding="utf-8")


def _card(act: Act, ask: Ask, course: Course) -> dict[str, Any]:
    """One instruction: pictures of one answer, the words, the times, and a strip of further frames."""
    answers = [answer for answer in course.answers if (answer.act.name, answer.ask.text) == (act.name, ask.text)]
    card: dict[str, Any] = {"instruction": ask.text, "meant": ask.task.value, "answered": bool(answers)}
    if not answers:
        return card
    shown = answers[len(answers) // 2]
    image, perception = shown.frame.pixels, shown.perception
    confidence = draw_confidence(image, perception.confidence) if perception.confidence is not None else None
    return {
        **card,
        "source": _inline(image),
        "overlay": _inline(draw_perception(image, perception, instruction=False)),
        "confidence": _inline(confidence) if confidence is not None else None,
        "task": perception.task.value,
        "words": in_words(perception),
        "is_caption": perception.caption is not None,
        "verdict": verdict(shown),
        "score": perception.score,
        "latency_ms": shown.latency * 1000.0,
        "timings": _timings(shown),
        "count": len(answers),
        "strip": _strip(answers) if len({id(answer.frame) for answer in answers}) > 1 else [],
    }


def _timings(answer: Answer) -> list[dict[str, Any]]:
    """The node's stages with their share of the longest bar, and the rest of the latency."""
    stages = {name: 1000.0 * seconds for name, seconds in answer.perception.timings.items() if name != "total"}
    stages["waiting and transport"] = max(0.0, answer.latency * 1000.0 - sum(stages.values()))
    whole = max(1e-9, sum(stages.values()))
    return [{"name": name, "ms": value, "percent": 100.0 * value / whole} for name, value in stages.items()]


def _strip(answers: Sequence[Answer]) -> list[dict[str, str]]:
    """Small overlays, evenly spread over the answers."""
    chosen = np.unique(np.linspace(0, len(answers) - 1, min(STRIP_LENGTH, len(answers))).round().astype(int))
    strip = []
    for index in chosen:
        answer = answers[index]
        drawn = draw_perception(answer.frame.pixels, answer.perception, legend=False, instruction=False)
        strip.append({"picture": _inline(drawn, width=_STRIP_WIDTH), "verdict": verdict(answer)})
    return strip


def _inline(image: NDArray[np.uint8], *, width: int | None = None) -> str:
    """A picture as a data URL, JPEG; scaled down to the width if given."""
    picture = Image.fromarray(image)
    if width is not None and picture.width > width:
        picture = picture.resize(
            (width, max(1, round(picture.height * width / picture.width))), Image.Resampling.LANCZOS
        )
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
