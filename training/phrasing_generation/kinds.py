"""What phrasings may be asked for: the four tasks (semantic segmentation once a label set), each explained in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One file of the instruction set.

    Attributes:
        name: the file's name without its ending, such as `semantic_ade20k`.
        task: what its phrasings ask for.
        label_set: the label set of semantic phrasings, else None.
        meaning: what every phrasing must mean, as the language model is told.
        placeholders: the rule for placeholders, as the language model is told.
    """

    name: str
    task: Task
    label_set: str | None = None
    meaning: str
    placeholders: str


_NO_PLACEHOLDERS = "There are no placeholders: use no braces at all."
_OBJECT = "{object} stands for an expression with its article, such as 'the red mug' or 'both bottles'."


def _semantic(label_set: str, says: str) -> Kind:
    return Kind(
        name=f"semantic_{label_set}",
        task=Task.SEMANTIC,
        label_set=label_set,
        meaning=f"Give every pixel of the whole picture a class and colour it by class; {says}",
        placeholders=_NO_PLACEHOLDERS,
    )


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind(
                name="caption",
                task=Task.CAPTION,
                meaning="Describe in words what the whole picture shows. Never ask for a box, a mask or pixels.",
                placeholders=_NO_PLACEHOLDERS,
            ),
            Kind(
                name="detection",
                task=Task.DETECTION,
                meaning="Say where one described object is, as a bounding box. Never ask for a mask or for paint.",
                placeholders=f"{_OBJECT} It must stand in every phrasing exactly once.",
            ),
            Kind(
                name="segmentation",
                task=Task.SEGMENTATION,
                meaning="Paint, mask or cut out the exact pixels of one described object. Never ask for a box.",
                placeholders=f"{_OBJECT} It must stand in every phrasing exactly once. {{color}} stands for a colour "
                "in words, such as 'green', at most once; four of five phrasings have it.",
            ),
            _semantic("household", "the classes are household ones, but most phrasings name no label set."),
            _semantic("coco_stuff", "every phrasing names COCO-Stuff, in any spelling."),
            _semantic("ade20k", "every phrasing names ADE20K, in any spelling."),
        )
    }
)
"""All kinds by name; one more joins here."""


def kinds_named(names: Iterable[str]) -> tuple[Kind, ...]:
    """The kinds of these names, or all of them for no name.

    Raises:
        ConfigError: there is no kind of that name.
    """
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in KINDS:
            raise ConfigError(f"there is no task {name!r}: take one of {', '.join(KINDS)}")
    return tuple(KINDS[name] for name in wanted) or tuple(KINDS.values())
