"""A second reading of the expressions: regular expressions and arithmetic on the metadata."""

import math
import re

THINGS = {"object", "thing", "item"}
COLOURS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "grey", "white"]
ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth"]
RELATIONS = {
    "left of": "left",
    "to the left of": "left",
    "on the left side of": "left",
    "right of": "right",
    "to the right of": "right",
    "on the right side of": "right",
    "in front of": "front",
    "closer to us than": "front",
    "nearer than": "front",
    "behind": "behind",
    "farther away than": "behind",
    "further back than": "behind",
    "nearest to": "nearest",
    "closest to": "nearest",
    "right next to": "nearest",
}
SIDES = [
    (r"(.+) on the (left|right)(?: side)?", "x"),
    (r"(.+) to the (left|right)", "x"),
    (r"(?P<w>left|right)(?:most)? (?P<n>.+)", "x"),
    (r"(.+) in front|closer (.+)|nearer (.+)|(.+) closest to the camera", "front"),
    (r"(.+) at the back|farther (.+)|(.+) behind the other one|(.+) farthest from the camera", "back"),
]
SUPERLATIVES = [
    (r"leftmost (.+)|(.+) farthest to the left|(.+) on the far left", lambda o: o["centroid"][0]),
    (r"rightmost (.+)|(.+) farthest to the right|(.+) on the far right", lambda o: -o["centroid"][0]),
    (r"(.+) closest to the camera|nearest (.+)|(.+) in the very front", lambda o: o["distance"]),
    (r"(.+) farthest from the camera|farthest (.+)|(.+) at the very back", lambda o: -o["distance"]),
    (r"biggest (.+)|largest (.+)|(.+) that is the biggest", lambda o: -max(o["size_m"])),
    (r"smallest (.+)|tiniest (.+)|(.+) that is the smallest", lambda o: max(o["size_m"])),
]


class Reader:
    """Finds the objects a phrase means in one frame's record."""

    def __init__(self, record, class_nouns):
        self.record = record
        self.objects = record["objects"]
        self.class_of_noun = {noun: name for name, nouns in class_nouns.items() for noun in nouns}

    def targets(self, expression):
        """Sorted indices."""
        text = expression["text"].removeprefix("the ")
        found = getattr(self, f"_{expression['kind']}")(text)
        return sorted(o["index"] for o in found)

    def group(self, noun):
        if noun in THINGS:
            return self.objects
        named = [o for o in self.objects if o["name"] == noun]
        if named or noun not in self.class_of_noun:
            return named
        return [o for o in self.objects if o["class"] == self.class_of_noun[noun]]

    def _name(self, text):
        return self.group(text)

    def _colour(self, text):
        for pattern in (r"(?P<n>.+) that is (?P<c>\w+)", r"(?P<c>\w+) colored (?P<n>.+)", r"(?P<c>\w+) (?P<n>.+)"):
            match = re.fullmatch(pattern, text)
            if match and match["c"] in COLOURS:
                return [o for o in self.group(match["n"]) if o["colour"] == match["c"]]
        raise AssertionError(text)

    def _size(self, text):
        word, noun = text.split(" ", 1)
        big = word in {"larger", "bigger", "largest", "biggest"}
        return [(max if big else min)(self.group(noun), key=lambda o: max(o["size_m"]))]

    def _side(self, text):
        for pattern, axis in SIDES:
            match = re.fullmatch(pattern, text)
            if not match:
                continue
            if axis == "x":
                noun, word = (match["n"], match["w"]) if "n" in match.groupdict() else match.groups()
                return [(min if word == "left" else max)(self.group(noun), key=lambda o: o["centroid"][0])]
            noun = next(group for group in match.groups() if group)
            return [(min if axis == "front" else max)(self.group(noun), key=lambda o: o["distance"])]
        raise AssertionError(text)

    def _ordinal(self, text):
        if text.startswith("middle "):
            group = sorted(self.group(text.removeprefix("middle ")), key=lambda o: o["centroid"][0])
            assert len(group) == 3
            return [group[1]]
        match = re.fullmatch(r"(\w+) (.+?) (?:counting )?from the (left|right)", text)
        group = sorted(self.group(match[2]), key=lambda o: o["centroid"][0], reverse=match[3] == "right")
        return [group[ORDINALS.index(match[1])]]

    def _superlative(self, text):
        for pattern, key in SUPERLATIVES:
            match = re.fullmatch(pattern, text)
            if match:
                return [min(self.group(next(g for g in match.groups() if g)), key=key)]
        raise AssertionError(text)

    def _relation(self, text):
        match = re.fullmatch(r"(.+) between the (.+) and the (.+)", text)
        if match:
            return self._between(*(self.group(match[1]), *self.group(match[2]), *self.group(match[3])))
        for phrase, kind in sorted(RELATIONS.items(), key=lambda item: -len(item[0])):
            head, separator, noun = text.partition(f" {phrase} the ")
            if separator:
                (anchor,) = self.group(noun)
                others = [o for o in self.group(head) if o["index"] != anchor["index"]]
                return self._related(others, anchor, kind)
        raise AssertionError(text)

    def _related(self, others, anchor, kind):
        if kind == "nearest":
            return [min(others, key=lambda o: math.dist(o["position"][:2], anchor["position"][:2]))]
        x, distance = anchor["centroid"][0], anchor["distance"]
        tests = {
            "left": lambda o: o["centroid"][0] < x,
            "right": lambda o: o["centroid"][0] > x,
            "front": lambda o: o["distance"] < distance,
            "behind": lambda o: o["distance"] > distance,
        }
        return [o for o in others if tests[kind](o)]

    def _between(self, group, first, second):
        (ax, ay), (bx, by) = first["centroid"], second["centroid"]
        length = math.hypot(bx - ax, by - ay)
        found = []
        for o in group:
            x, y = o["centroid"]
            along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length**2
            aside = abs((x - ax) * (by - ay) - (y - ay) * (bx - ax)) / length
            if (
                o["index"] not in (first["index"], second["index"])
                and 0 < along < 1
                and aside < 0.12 * self.record["width"]
            ):
                found.append(o)
        return found

    def _all(self, text):
        coloured = re.fullmatch(r"(?:all |every |everything that is )?(?:the )?(\w+)(?: objects| things| thing)?", text)
        if coloured and coloured[1] in COLOURS:
            return [o for o in self.objects if o["colour"] == coloured[1]]
        noun = re.sub(r"^(all the|all|every|both|two|three|four|five|six|seven|eight) ", "", text)
        for o in self.objects:
            for name in (o["name"], *(n for n, c in self.class_of_noun.items() if c == o["class"])):
                if noun == name or self._is_plural(noun, name):
                    return self.group(name)
        raise AssertionError(text)

    @staticmethod
    def _is_plural(noun, name):
        endings = [
            name + "s",
            name + "es",
            re.sub("y$", "ies", name),
            re.sub("man$", "men", name),
            re.sub("fe$", "ves", name),
        ]
        special = {
            "person": "people",
            "pair of shoes": "pairs of shoes",
            "bowl of apples": "bowls of apples",
            "piece of clothing": "pieces of clothing",
        }
        return noun in endings or special.get(name) == noun

    def _none(self, text):
        colour, _, noun = text.partition(" ")
        if colour in COLOURS and noun:
            return [o for o in self.group(noun) if o["colour"] == colour]
        return self.group(text)
