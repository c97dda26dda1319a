"""Captions of a frame: five ways to say the same, so that they are references for one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from instructseq_training.scenes.language import enumeration, is_countable, number_word, plural, with_article
from instructseq_training.scenes.scene import SceneObject

MOST_MENTIONED = 5
_FORMS = {
    "table": (
        "{things} on a table",
        "a table with {things} on it",
        "there {verb} {things} on the table",
        "a photo of {things} on a table",
        "{things} on top of a table",
        "we see {things} standing on a table",
        "a picture of a table with {things}",
    ),
    "room": (
        "{things} in a room",
        "a room with {things} in it",
        "there {verb} {things} in the room",
        "a photo of {things} in a room",
        "{things} on the floor of a room",
        "we see {things} standing in a room",
        "a picture of a room with {things}",
    ),
}
REFERENCES = 5


def write_captions(objects: Sequence[SceneObject], *, place: str, random: np.random.Generator) -> list[str]:
    """Five captions that mention the same objects, the largest in the picture, from left to right.

    Args:
        objects: the visible ones, at least one.
        place: `table` or `room`.
        random: chooses the forms.
    """
    groups = _groups(objects)
    in_colour = random.random() < 0.6
    phrases = [_phrase(group, in_colour=in_colour) for group in groups]
    plural_verb = len(groups[0]) > 1 or not is_countable(groups[0][0].name)
    forms = [_FORMS[place][i] for i in random.permutation(len(_FORMS[place]))[:REFERENCES]]
    texts = [form.format(things=enumeration(phrases), verb="are" if plural_verb else "is") for form in forms]
    relation = _relation(groups, phrases)
    if relation is not None and random.random() < 0.5:
        texts[-1] = f"{relation} {'on a table' if place == 'table' else 'in a room'}"
    return texts


def _groups(objects: Sequence[SceneObject]) -> list[list[SceneObject]]:
    """Objects of one name together; the groups with the most pixels, from left to right."""
    by_name: dict[str, list[SceneObject]] = {}
    for found in objects:
        by_name.setdefault(found.name, []).append(found)
    largest = sorted(by_name.values(), key=lambda group: -sum(found.pixels for found in group))[:MOST_MENTIONED]
    return sorted(largest, key=lambda group: min(found.centroid[0] for found in group))


def _phrase(group: list[SceneObject], *, in_colour: bool) -> str:
    name = group[0].name
    colours = {found.colour for found in group}
    colour = next(iter(colours)) if len(colours) == 1 and in_colour else None
    words = f"{colour} {name}" if colour else name
    if len(group) == 1 or not is_countable(name):
        return with_article(words, name)
    return f"{number_word(len(group))} {f'{colour} ' if colour else ''}{plural(name)}"


def _relation(groups: list[list[SceneObject]], phrases: list[str]) -> str | None:
    """The outermost two of the mentioned objects, where each stands alone."""
    if len(groups) < 2 or len(groups[0]) > 1 or len(groups[-1]) > 1:
        return None
    rest = (
        f" with {enumeration(phrases[1:-1])} between them"
        if len(groups) > 2 and all(len(g) == 1 for g in groups)
        else ""
    )
    if len(groups) > 2 and not rest:
        return None
    return f"{phrases[0]} to the left of {phrases[-1]}{rest}"
