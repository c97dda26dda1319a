"""What a phrase holds of: three-valued truth, so that an expression is used only where nobody could argue.

Every predicate answers True, False or None (unclear). A phrase means the objects it is true of, and is fit for use only
when it is unclear of none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from instructseq_training.scenes.catalogue import NameTable
from instructseq_training.scenes.scene import SceneObject

SIDE_MARGIN = 0.05  # of the picture's width
DEPTH_MARGIN = 0.06  # of the nearer distance
SIZE_MARGIN = 1.2  # ratio
NEAREST_MARGIN = 1.35  # ratio

Truth = bool | None
Predicate = Callable[[SceneObject], Truth]


def both(first: Truth, second: Truth) -> Truth:
    """Three-valued and."""
    if first is False or second is False:
        return False
    return None if first is None or second is None else True


def conjunction(predicates: Sequence[Predicate]) -> Predicate:
    """What holds where all of them hold."""

    def holds(found: SceneObject) -> Truth:
        truth: Truth = True
        for predicate in predicates:
            truth = both(truth, predicate(found))
        return truth

    return holds


def meant(predicate: Predicate, objects: Sequence[SceneObject]) -> tuple[SceneObject, ...] | None:
    """The objects a predicate is true of, or None where it is unclear of any."""
    truths = [(found, predicate(found)) for found in objects]
    if any(truth is None for _, truth in truths):
        return None
    return tuple(found for found, truth in truths if truth)


def named(name: str, table: NameTable) -> Predicate:
    """Called `name`; unclear of what could be called so."""
    alike = table.confusable.get(name, frozenset())

    def holds(found: SceneObject) -> Truth:
        if found.name == name:
            return True
        overlapping = found.name.endswith(f" {name}") or name.endswith(f" {found.name}")
        return None if overlapping or found.name in alike else False

    return holds


def of_class(category: str, table: NameTable) -> Predicate:
    """Of a class; unclear of classes that could pass for it."""
    alike = table.confusable_classes.get(category, frozenset())

    def holds(found: SceneObject) -> Truth:
        if found.category == category:
            return True
        return None if found.category in alike else False

    return holds


def anything(found: SceneObject) -> Truth:
    """True of every object."""
    return True


def coloured(word: str) -> Predicate:
    """Of a colour; unclear where the word is possible but not clear-cut."""

    def holds(found: SceneObject) -> Truth:
        if found.colour == word:
            return True
        return None if word in found.possible_colours else False

    return holds


def other_than(*anchors: SceneObject) -> Predicate:
    """Not one of the given objects."""
    indices = {anchor.index for anchor in anchors}

    def holds(found: SceneObject) -> Truth:
        return found.index not in indices

    return holds


def left_of(anchor: SceneObject, width: int) -> Predicate:
    """Further left in the picture than the anchor, by the mask's centroid."""
    return lambda found: _beyond((anchor.centroid[0] - found.centroid[0]) / width, SIDE_MARGIN)


def right_of(anchor: SceneObject, width: int) -> Predicate:
    """Further right in the picture than the anchor."""
    return lambda found: _beyond((found.centroid[0] - anchor.centroid[0]) / width, SIDE_MARGIN)


def in_front_of(anchor: SceneObject) -> Predicate:
    """Nearer to the camera than the anchor."""
    return lambda found: _beyond(anchor.distance / found.distance - 1, DEPTH_MARGIN)


def behind(anchor: SceneObject) -> Predicate:
    """Further from the camera than the anchor."""
    return lambda found: _beyond(found.distance / anchor.distance - 1, DEPTH_MARGIN)


def between(first: SceneObject, second: SceneObject, width: int) -> Predicate:
    """Near the line from one anchor's centroid to the other's, in the picture's middle part of it."""
    (ax, ay), (bx, by) = first.centroid, second.centroid
    length = max(1e-6, ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5)

    def holds(found: SceneObject) -> Truth:
        dx, dy = found.centroid[0] - ax, found.centroid[1] - ay
        along = (dx * (bx - ax) + dy * (by - ay)) / length**2
        aside = abs(dx * (by - ay) - dy * (bx - ax)) / length / width
        if 0.2 < along < 0.8 and aside < 0.08:
            return True
        return None if -0.05 < along < 1.05 and aside < 0.16 else False

    return holds


def first_by(objects: Sequence[SceneObject], key: Callable[[SceneObject], float], margin: float) -> SceneObject | None:
    """The object with the least key, or None where the next one is not `margin` away."""
    ordered = sorted(objects, key=key)
    if len(ordered) < 2 or key(ordered[1]) - key(ordered[0]) < margin:
        return None
    return ordered[0]


def nearest_to(anchor: SceneObject, objects: Sequence[SceneObject]) -> SceneObject | None:
    """The object whose centre is nearest to the anchor's in the world, or None where two are about as near."""
    ordered = sorted(
        (other for other in objects if other.index != anchor.index), key=lambda other: apart(anchor, other)
    )
    if len(ordered) < 2 or apart(anchor, ordered[1]) < NEAREST_MARGIN * apart(anchor, ordered[0]):
        return None
    return ordered[0]


def apart(first: SceneObject, second: SceneObject) -> float:
    """Metres between two objects' centres on the ground."""
    return max(0.01, sum((a - b) ** 2 for a, b in zip(first.position[:2], second.position[:2], strict=True)) ** 0.5)


def extent(found: SceneObject) -> float:
    """An object's longest side in metres."""
    return max(found.size_m)


def _beyond(value: float, margin: float) -> Truth:
    if value > margin:
        return True
    return False if value < -margin else None
