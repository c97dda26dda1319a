"""Goals of ~/perceive: every field as wrong as its type allows, up to the question that the model would be asked."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace

import numpy as np

from instructseq_ros.inference import goal_request, question_of
from instructseq_ros.parameters import PARAMETERS, settings_of

from .mutation import EXTREMES, text

NUMBERS = (0.0, 0.5, 2.0, 2.1, -1.0, float("nan"), float("inf"), 1e-30)
IMAGE = np.zeros((8, 8, 3), np.uint8)
SETTINGS = settings_of({spec.name: spec.default for spec in PARAMETERS})


def make(random: Random) -> SimpleNamespace:
    """The fields of a goal but for its image."""
    return SimpleNamespace(
        instruction=text(random) if random.random() < 0.5 else "mark the red mug",
        samples=random.choice((0, 1, 32, 33, 255)),
        temperature=random.choice(NUMBERS),
        label_set=random.choice(("", "household", "coco_stuff", text(random, longest=30))),
        task=random.choice(("", "semantic", "caption", "Caption", text(random, longest=30))),
        image=SimpleNamespace(width=random.choice(EXTREMES)),
    )


def feed(goal: SimpleNamespace) -> None:
    """What is taken is within its range."""
    request = goal_request(goal, 1, SETTINGS)
    assert request.instruction
    assert 1 <= request.samples <= 32
    assert request.temperature is None or 0 < request.temperature <= 2
    question_of(request, IMAGE)
