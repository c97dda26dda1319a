"""The sources of truth by name; a further one needs its class and a line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from instructseq_replay.instructions import Asked, Instructions
from instructseq_replay.truth.coco import CocoTruth
from instructseq_replay.truth.topics import BoxTruth, ClassTruth, MaskTruth, SceneTruth
from instructseq_replay.truth.truth import FrameFacts, Truth, TruthError, TruthSource

SOURCES: dict[str, Callable[[str], TruthSource]] = {
    "masks": MaskTruth,
    "classes": ClassTruth,
    "boxes": BoxTruth,
    "scene": SceneTruth,
    "coco": CocoTruth,
}


def truth_source(text: str) -> TruthSource:
    """A source as the command line names it: "masks:/truth/mask", "coco:labels.json".

    Raises:
        TruthError: there is no such kind, or it cannot be opened.
    """
    kind, colon, rest = text.partition(":")
    if kind not in SOURCES or not colon or not rest:
        known = ", ".join(f"{name}:..." for name in SOURCES)
        raise TruthError(f"{text!r} names no truth: give one of {known}")
    return SOURCES[kind](rest.rstrip("/") if kind == "scene" else rest)


class AllTruth:
    """Several sources as one: each field comes from the first that knows it.

    Args:
        sources: at least one.
    """

    def __init__(self, sources: Sequence[TruthSource]) -> None:
        self._sources = tuple(sources)
        self.topics = tuple(topic for source in sources for topic in source.topics)
        self.gives = frozenset(field for source in sources for field in source.gives)

    def truth_of(self, frame: FrameFacts, asked: Asked) -> Truth | None:
        """What is known; None where no source knows the frame."""
        known = [truth for source in self._sources if (truth := source.truth_of(frame, asked)) is not None]
        if not known:
            return None
        return Truth(
            mask=next((one.mask for one in known if one.mask is not None), None),
            boxes=next((one.boxes for one in known if one.boxes is not None), None),
            classes=next((one.classes for one in known if one.classes is not None), None),
            names=next((one.names for one in known if one.names is not None), None),
        )


def check_meanings(instructions: Instructions) -> None:
    """Every instruction must say what is meant before it can be scored.

    Raises:
        TruthError: one does not.
    """
    for asked in instructions.instructions:
        if asked.meant is None:
            raise TruthError(
                f"the instruction {asked.id!r} does not say what is meant: add `meant: segmentation`, detection, "
                "semantic or caption to it, or leave --truth out"
            )
