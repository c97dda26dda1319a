"""Referring expressions of a frame: everything that can be said without doubt, and a varied choice of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from instructseq_training.scenes import meaning
from instructseq_training.scenes.catalogue import NameTable, name_table
from instructseq_training.scenes.colours import WORDS
from instructseq_training.scenes.language import is_countable, number_word, ordinal_word, plural
from instructseq_training.scenes.meaning import Predicate
from instructseq_training.scenes.scene import Expression, SceneObject

QUOTA = {
    "name": 6,
    "colour": 4,
    "size": 2,
    "side": 3,
    "ordinal": 3,
    "superlative": 3,
    "relation": 6,
    "all": 2,
    "none": 2,
}
THING = ("object", "thing", "item")
LEFT = ("left of", "to the left of", "on the left side of")
RIGHT = ("right of", "to the right of", "on the right side of")
FRONT = ("in front of", "closer to us than", "nearer than")
BEHIND = ("behind", "farther away than", "further back than")
SIDES = ("the {n} on the {w}", "the {w} {n}", "{n} on the {w} side", "the {n} to the {w}", "the {w}most {n}")
NEAREST = ("nearest to", "closest to", "right next to")


@dataclass(frozen=True)
class _Noun:
    """A way to speak of some objects: its words, its meaning."""

    text: str
    holds: Predicate
    countable: bool


class ExpressionWriter:
    """Writes the expressions of one frame.

    Args:
        objects: the visible ones.
        width: of the picture, pixels.
        absent: names that may be asked for in vain; those in the frame are left out.
        random: source of every choice; without it there is no choice: every kind of phrase in its first wording.
    """

    def __init__(
        self,
        objects: Sequence[SceneObject],
        *,
        width: int,
        absent: Sequence[str] = (),
        random: np.random.Generator | None = None,
    ) -> None:
        self._objects = tuple(objects)
        self._width = width
        self._absent = tuple(absent)
        self._random = random
        self._table: NameTable = name_table()
        self._names = {found.name: self._named(found.name) for found in self._objects}

    def write(self, *, limit: int) -> list[Expression]:
        """At most `limit` expressions, each kind up to its quota, no text twice."""
        chosen: list[Expression] = []
        for found in self._by_kind():
            if found:
                chosen.extend(found[i] for i in self._order(len(found))[: QUOTA[found[0].kind]])
        unique = list({expression.text: expression for expression in chosen}.values())
        return [unique[i] for i in sorted(self._order(len(unique))[:limit])]

    def every(self) -> list[Expression]:
        """All there is to say, without quotas."""
        return [expression for found in self._by_kind() for expression in found]

    def _by_kind(self) -> Iterator[list[Expression]]:
        kinds = (
            self._name,
            self._colour,
            self._size,
            self._side,
            self._ordinal,
            self._superlative,
            self._relation,
            self._all,
            self._none,
        )
        for kind in kinds:
            yield list(dict.fromkeys(kind()))

    def _order(self, count: int) -> list[int]:
        return list(range(count)) if self._random is None else self._random.permutation(count).tolist()

    def _chance(self, share: float) -> bool:
        return self._random is not None and bool(self._random.random() < share)

    def _named(self, name: str) -> _Noun:
        return _Noun(name, meaning.named(name, self._table), is_countable(name))

    def _class_nouns(self) -> Iterator[_Noun]:
        for category in dict.fromkeys(found.category for found in self._objects):
            for text in self._table.class_nouns.get(category, ()):
                if text not in self._names:
                    yield _Noun(text, meaning.of_class(category, self._table), countable=text != "food")

    def _one(self, *predicates: Predicate) -> SceneObject | None:
        """The one object that all of this is true of, if there is no doubt."""
        found = meaning.meant(meaning.conjunction(predicates), self._objects)
        return found[0] if found is not None and len(found) == 1 else None

    def _several(self, noun: _Noun) -> tuple[SceneObject, ...]:
        found = meaning.meant(noun.holds, self._objects)
        return found if found is not None and len(found) > 1 and noun.countable else ()

    def _pick(self, options: Sequence[str]) -> str:
        return options[0 if self._random is None else int(self._random.integers(len(options)))]

    def _the(self, noun: str, *, rest: str = "") -> str:
        return f"{self._pick(('the ', 'the ', 'the ', ''))}{noun}{rest and ' ' + rest}"

    def _name(self) -> Iterator[Expression]:
        for noun in (*self._names.values(), *self._class_nouns()):
            if target := self._one(noun.holds):
                yield Expression(self._the(noun.text), "name", (target.index,))

    def _colour(self) -> Iterator[Expression]:
        for colour in dict.fromkeys(found.colour for found in self._objects if found.colour):
            holds = meaning.coloured(colour)
            for noun in (*self._names.values(), *self._class_nouns(), _Noun(self._pick(THING), meaning.anything, True)):
                if target := self._one(noun.holds, holds):
                    rarer = ("{n} that is {c}", "{c} colored {n}") if noun.countable else ("{c} {n}",)
                    form = self._pick(("{c} {n}", "{c} {n}", "{c} {n}", *rarer))
                    yield Expression(self._the(form.format(c=colour, n=noun.text)), "colour", (target.index,))

    def _size(self) -> Iterator[Expression]:
        for noun in self._names.values():
            group = self._several(noun)
            for sign, words in (
                (-1, ("larger", "bigger", "largest", "biggest")),
                (1, ("smaller", "littler", "smallest", "tiniest")),
            ):
                ordered = sorted(group, key=lambda found: sign * meaning.extent(found))
                if len(ordered) < 2 or not self._clearly(ordered[0], ordered[1], larger=sign < 0):
                    continue
                word = self._pick(words[:2] if len(ordered) == 2 else words[2:])
                yield Expression(f"the {word} {noun.text}", "size", (ordered[0].index,))

    @staticmethod
    def _clearly(first: SceneObject, second: SceneObject, *, larger: bool) -> bool:
        """Whether the sizes differ, and the picture does not say the opposite."""
        big, small = (first, second) if larger else (second, first)
        return meaning.extent(big) > meaning.SIZE_MARGIN * meaning.extent(small) and big.pixels > small.pixels

    def _side(self) -> Iterator[Expression]:
        for noun in (*self._names.values(), *self._class_nouns()):
            group = self._several(noun)
            if len(group) != 2:
                continue
            left, right = sorted(group, key=lambda found: found.centroid[0])
            if meaning.left_of(right, self._width)(left):
                for target, word in ((left, "left"), (right, "right")):
                    form = self._pick(SIDES)
                    yield Expression(form.format(n=noun.text, w=word), "side", (target.index,))
            front, back = sorted(group, key=lambda found: found.distance)
            if meaning.in_front_of(back)(front):
                for target, forms in (
                    (front, ("the {n} in front", "the closer {n}", "the nearer {n}", "{n} closest to the camera")),
                    (
                        back,
                        (
                            "the {n} at the back",
                            "the farther {n}",
                            "the {n} behind the other one",
                            "{n} farthest from the camera",
                        ),
                    ),
                ):
                    yield Expression(self._pick(forms).format(n=noun.text), "side", (target.index,))

    def _ordinal(self) -> Iterator[Expression]:
        everything = _Noun(self._pick(THING), meaning.anything, True)
        for noun in (*self._names.values(), *self._class_nouns(), everything):
            group = sorted(self._several(noun), key=lambda found: found.centroid[0])
            gaps = [b.centroid[0] - a.centroid[0] for a, b in pairwise(group)]
            if not gaps or min(gaps) < 0.045 * self._width or len(group) > 6:
                continue
            for position, (target, mirrored) in enumerate(zip(group, reversed(group), strict=True), start=1):
                for found, side in ((target, "left"), (mirrored, "right")):
                    form = self._pick(
                        ("the {o} {n} from the {s}", "{o} {n} from the {s}", "the {o} {n} counting from the {s}")
                    )
                    text = form.format(o=ordinal_word(position), n=noun.text, s=side)
                    yield Expression(text, "ordinal", (found.index,))
            if len(group) == 3:
                yield Expression(self._the(f"middle {noun.text}"), "ordinal", (group[1].index,))

    def _superlative(self) -> Iterator[Expression]:
        thing = self._pick(THING)
        nouns = [_Noun(thing, meaning.anything, True), *(n for n in self._names.values() if len(self._several(n)) > 2)]
        for noun in nouns:
            group = self._several(noun)
            x = [found.centroid[0] for found in group]
            choices = (
                (
                    meaning.first_by(group, lambda f: f.centroid[0], 0.05 * self._width),
                    ("the leftmost {n}", "the {n} farthest to the left", "{n} on the far left"),
                ),
                (
                    meaning.first_by(group, lambda f: -f.centroid[0], 0.05 * self._width),
                    ("the rightmost {n}", "the {n} farthest to the right", "{n} on the far right"),
                ),
                (
                    self._by_distance(group, nearest=True),
                    ("the {n} closest to the camera", "the nearest {n}", "the {n} in the very front"),
                ),
                (
                    self._by_distance(group, nearest=False),
                    ("the {n} farthest from the camera", "the farthest {n}", "the {n} at the very back"),
                ),
                (
                    self._by_size(group, largest=True),
                    ("the biggest {n}", "the largest {n}", "the {n} that is the biggest"),
                ),
                (
                    self._by_size(group, largest=False),
                    ("the smallest {n}", "the tiniest {n}", "the {n} that is the smallest"),
                ),
            )
            for target, forms in choices:
                if target is not None and x:
                    yield Expression(self._pick(forms).format(n=noun.text), "superlative", (target.index,))

    @staticmethod
    def _by_distance(group: Sequence[SceneObject], *, nearest: bool) -> SceneObject | None:
        ordered = sorted(group, key=lambda found: found.distance if nearest else -found.distance)
        if len(ordered) < 2:
            return None
        near, far = (ordered[0], ordered[1]) if nearest else (ordered[1], ordered[0])
        return ordered[0] if meaning.in_front_of(far)(near) else None

    def _by_size(self, group: Sequence[SceneObject], *, largest: bool) -> SceneObject | None:
        ordered = sorted(group, key=lambda found: -meaning.extent(found) if largest else meaning.extent(found))
        if len(ordered) < 2 or not all(self._clearly(ordered[0], other, larger=largest) for other in ordered[1:]):
            return None
        return ordered[0]

    def _relation(self) -> Iterator[Expression]:
        anchors = [(target, noun) for noun in self._names.values() if (target := self._one(noun.holds))]
        nouns = (*self._names.values(), *self._class_nouns(), _Noun(self._pick(THING), meaning.anything, True))
        for anchor, words in anchors:
            relations = (
                (meaning.left_of(anchor, self._width), LEFT),
                (meaning.right_of(anchor, self._width), RIGHT),
                (meaning.in_front_of(anchor), FRONT),
                (meaning.behind(anchor), BEHIND),
            )
            for noun in nouns:
                if noun.text == words.text:
                    continue
                alone = self._one(noun.holds, meaning.other_than(anchor)) is not None
                if alone and not self._chance(0.25):
                    continue  # a relation that is not needed teaches less
                for holds, phrases in relations:
                    if target := self._one(noun.holds, meaning.other_than(anchor), holds):
                        yield self._related(noun, phrases, words, target)
                nearest = meaning.nearest_to(anchor, self._several(noun))
                if nearest is not None:
                    yield self._related(noun, NEAREST, words, nearest)
        yield from self._between(anchors, nouns)

    def _related(self, noun: _Noun, phrases: Sequence[str], anchor: _Noun, target: SceneObject) -> Expression:
        return Expression(
            self._the(noun.text, rest=f"{self._pick(phrases)} the {anchor.text}"), "relation", (target.index,)
        )

    def _between(self, anchors: Sequence[tuple[SceneObject, _Noun]], nouns: Sequence[_Noun]) -> Iterator[Expression]:
        for number, (first, a) in enumerate(anchors):
            for second, b in anchors[number + 1 :]:
                for noun in nouns:
                    holds = meaning.between(first, second, self._width)
                    if target := self._one(noun.holds, meaning.other_than(first, second), holds):
                        yield Expression(
                            self._the(noun.text, rest=f"between the {a.text} and the {b.text}"),
                            "relation",
                            (target.index,),
                        )

    def _all(self) -> Iterator[Expression]:
        for noun in (*self._names.values(), *self._class_nouns()):
            if group := self._several(noun):
                several = plural(noun.text)
                forms = (
                    "all the {s}",
                    "all {s}",
                    "every {n}",
                    "the {c} {s}",
                    *(("both {s}",) if len(group) == 2 else ()),
                )
                text = self._pick(forms).format(s=several, n=noun.text, c=number_word(len(group)))
                yield Expression(text, "all", tuple(sorted(found.index for found in group)))
        for colour in WORDS:
            reds = meaning.meant(meaning.coloured(colour), self._objects)
            if reds is not None and len(reds) > 1:
                text = self._pick(
                    ("all {c} objects", "every {c} thing", "all the {c} things", "everything that is {c}")
                )
                yield Expression(text.format(c=colour), "all", tuple(sorted(found.index for found in reds)))

    def _none(self) -> Iterator[Expression]:
        for number in self._order(len(self._absent))[:4]:
            noun = self._named(self._absent[number])
            if meaning.meant(noun.holds, self._objects) == ():
                colour = f"{self._pick(WORDS)} " if self._chance(0.3) else ""
                yield Expression(self._the(colour + noun.text), "none", ())
        for noun in self._names.values():
            colour = self._pick(WORDS)
            if meaning.meant(meaning.conjunction((noun.holds, meaning.coloured(colour))), self._objects) == ():
                yield Expression(self._the(f"{colour} {noun.text}"), "none", ())


def write_expressions(
    objects: Sequence[SceneObject], *, width: int, absent: Sequence[str], limit: int, random: np.random.Generator
) -> list[Expression]:
    """The expressions of a frame; see `ExpressionWriter`."""
    return ExpressionWriter(objects, width=width, absent=absent, random=random).write(limit=limit)
