"""What one training instruction asks for and what its answer is, drawn at random from what is known of a frame."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from instructseq_model.palette import NAMED_COLOURS
from instructseq_model.perception import Task
from instructseq_training.instructions import DEFAULT_COLOUR, InstructionSet, fill


@dataclass(frozen=True, kw_only=True)
class Example:
    """One instruction on one frame.

    Attributes:
        instruction: the words.
        task: what they ask for.
        targets: object indices referred to; empty for no target, and for the tasks that refer to nothing.
        colour: name of the colour a referring map is drawn in; "" for other tasks.
        boxes: the targets' boxes, x1 y1 x2 y2 as parts of the image, left to right.
        caption: the words of the answer, for captions.
        kind: the expression's kind ("name", "relation", ...), "" where there is none.
    """

    instruction: str
    task: Task
    targets: tuple[int, ...] = ()
    colour: str = ""
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    caption: str = ""
    kind: str = ""


def boxes_of(said: Mapping[str, Any], targets: Sequence[int]) -> tuple[tuple[float, float, float, float], ...]:
    """Boxes of some objects as parts of the image's sides, ordered left to right."""
    width, height = said["width"], said["height"]
    pixels = [o["box"] for o in said["objects"] if o["index"] in targets]
    return tuple(sorted((x1 / width, y1 / height, x2 / width, y2 / height) for x1, y1, x2, y2 in pixels))


def referring_example(
    said: Mapping[str, Any], expression: Mapping[str, Any], *, task: Task, phrasings: InstructionSet, rng: random.Random
) -> Example:
    """One expression put into one phrasing of segmentation or detection; the colour is drawn at random."""
    phrasing = rng.choice(phrasings.of(task))
    colour = rng.choice(list(NAMED_COLOURS)) if phrasing.takes_colour else DEFAULT_COLOUR
    targets = tuple(expression["targets"])
    return Example(
        instruction=fill(phrasing, expression=expression["text"], colour=colour),
        task=task,
        targets=targets,
        colour=colour if task is Task.SEGMENTATION else "",
        boxes=boxes_of(said, targets),
        kind=expression["kind"],
    )


def semantic_example(*, phrasings: InstructionSet, label_set: str, rng: random.Random) -> Example:
    """A request for a map of all classes."""
    phrasing = rng.choice(phrasings.of(Task.SEMANTIC, label_set=label_set))
    return Example(instruction=fill(phrasing), task=Task.SEMANTIC)


def caption_example(said: Mapping[str, Any], *, phrasings: InstructionSet, rng: random.Random) -> Example:
    """A request for a caption, answered by one of the frame's."""
    phrasing = rng.choice(phrasings.of(Task.CAPTION))
    return Example(instruction=fill(phrasing), task=Task.CAPTION, caption=rng.choice(said["captions"]))


def draw_expressions(
    said: Mapping[str, Any], count: int, *, kind_weights: Mapping[str, float], max_targets: int, rng: random.Random
) -> list[Mapping[str, Any]]:
    """`count` expressions of a frame, kinds first: a kind with many wordings does not crowd out the others.

    Args:
        said: what is known of the frame.
        count: how many, with repetition.
        kind_weights: relative weight of each kind; 1 for kinds not named.
        max_targets: expressions for more objects are left out.
        rng: the source of chance.
    """
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for expression in said["expressions"]:
        if len(expression["targets"]) <= max_targets:
            by_kind.setdefault(expression["kind"], []).append(expression)
    if not by_kind:
        return [{"text": "the elephant", "kind": "none", "targets": []}] * count
    kinds = list(by_kind)
    weights = [kind_weights.get(kind, 1.0) for kind in kinds]
    return [rng.choice(by_kind[kind]) for kind in rng.choices(kinds, weights, k=count)]
