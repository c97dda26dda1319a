"""The instruction set: many ways of saying what to do, as YAML, one file a task and label set (paper, section 3.1).

Three sets lie under config/instructions: `train`, `held_out` (never trained on; it holds the four phrasings of the
paper's Table 2) and `template` (one phrasing a task and label set, for the paper's InstructSeq-Template baseline).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

import yaml

from instructseq_model.errors import ConfigError, InstructionError
from instructseq_model.perception import Task
from instructseq_training.wording import fit_colour, fit_expression

INSTRUCTIONS_DIR = Path(__file__).resolve().parent.parent / "config" / "instructions"

DEFAULT_COLOUR = "green"
"""The colour a referred object is drawn in when the instruction names none."""

LABEL_SETS = ("household", "coco_stuff", "ade20k")
"""What a semantic instruction may ask for; one that names no label set means `household`."""

_PLACEHOLDERS = {
    Task.SEMANTIC: frozenset[str](),
    Task.SEGMENTATION: frozenset({"object", "color"}),
    Task.DETECTION: frozenset({"object"}),
    Task.CAPTION: frozenset[str](),
}


@dataclass(frozen=True, kw_only=True)
class Phrasing:
    """One way of asking for one task.

    Attributes:
        text: the words, with {object} in segmentation and detection, and {color} in some of segmentation.
        task: what it asks for.
        label_set: one of `LABEL_SETS` for semantic phrasings, else None.
    """

    text: str
    task: Task
    label_set: str | None = None

    @property
    def takes_colour(self) -> bool:
        """Whether the words name a colour; if not, the object is drawn in `DEFAULT_COLOUR`."""
        return "{color}" in self.text


@dataclass(frozen=True, kw_only=True)
class InstructionSet:
    """All phrasings of one folder, in file order (files sorted by name).

    Attributes:
        name: the folder's name, such as `train`.
    """

    name: str
    phrasings: tuple[Phrasing, ...]

    def of(self, task: Task, *, label_set: str | None = None) -> tuple[Phrasing, ...]:
        """The phrasings of one task, and of one label set if it is named."""
        return tuple(p for p in self.phrasings if p.task == task and label_set in (None, p.label_set))

    def __len__(self) -> int:
        return len(self.phrasings)

    def __iter__(self) -> Iterator[Phrasing]:
        return iter(self.phrasings)


def load_instruction_set(path: Path | str) -> InstructionSet:
    """Read a folder of phrasing files, or the one named under config/instructions (`train`, `held_out`, `template`).

    Raises:
        ConfigError: no such folder, no YAML file in it, or a file with a wrong task, label set or placeholder.
    """
    folder = Path(path)
    if not folder.is_dir():
        folder = INSTRUCTIONS_DIR / path
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise ConfigError(f"{path} is no folder with phrasing files (*.yaml); name one of config/instructions")
    return InstructionSet(name=folder.name, phrasings=tuple(p for file in files for p in _read_file(file)))


def fill(phrasing: Phrasing, *, expression: str | None = None, colour: str | None = None) -> str:
    """The instruction that a phrasing makes of one expression and one colour.

    Args:
        phrasing: the words with placeholders.
        expression: what is meant, with its article ("the red mug", "both bottles"); needed where {object} stands.
        colour: a colour in words; `DEFAULT_COLOUR` if not given; ignored where {color} does not stand.

    Raises:
        InstructionError: the phrasing needs an expression and none, or an empty one, is given.
    """
    text = phrasing.text
    if "{color}" in text:
        text = fit_colour(text, colour or DEFAULT_COLOUR)
    if "{object}" in text:
        if expression is None or not expression.strip():
            raise InstructionError(f"{phrasing.text!r} needs an expression such as 'the red mug'; give one")
        text = fit_expression(text, expression)
    return text


def placeholder_fault(phrasing: Phrasing) -> str | None:
    """What is wrong with the placeholders of a phrasing, in words that say what to do; None if they are right."""
    allowed = _PLACEHOLDERS[phrasing.task]
    try:
        fields = [field for _, *field in Formatter().parse(phrasing.text) if field[0] is not None]
    except ValueError:
        return f"{phrasing.text!r} has a lone brace; write {{object}} or {{color}}"
    found = [name for name, _, _ in fields]
    bare = all(not specification and conversion is None for _, specification, conversion in fields)
    if set(found) - allowed or len(found) != len(set(found)) or not bare:
        return f"{phrasing.text!r} may hold each of {sorted(allowed)} at most once, nothing else"
    if "object" in allowed and "object" not in found:
        return f"{phrasing.text!r} does not say where the expression goes; add {{object}}"
    return None


def _read_file(file: Path) -> tuple[Phrasing, ...]:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or set(content) != {"task", "label_set", "phrasings"}:
        raise ConfigError(f"{file} must have exactly the keys task, label_set and phrasings")
    if content["task"] not in [task.value for task in Task]:
        raise ConfigError(f"{file}: task is {content['task']!r}, but must be one of {', '.join(t.value for t in Task)}")
    task, label_set = Task(content["task"]), content["label_set"]
    if label_set not in (LABEL_SETS if task == Task.SEMANTIC else (None,)):
        raise ConfigError(f"{file}: label_set is {label_set!r}; semantic needs one of {LABEL_SETS}, the others null")
    phrasings = content["phrasings"]
    if not isinstance(phrasings, list) or not phrasings or not all(isinstance(text, str) for text in phrasings):
        raise ConfigError(f"{file}: phrasings must be a list of texts with at least one entry")
    return tuple(_checked(Phrasing(text=text, task=task, label_set=label_set), file) for text in phrasings)


def _checked(phrasing: Phrasing, file: Path) -> Phrasing:
    fault = placeholder_fault(phrasing)
    if fault is not None:
        raise ConfigError(f"{file}: {fault}")
    return phrasing
