"""What is known of a node's parameter: its type, its range, when it may change. Nothing here imports ROS."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum

Value = bool | int | float | str | list[str]


class Change(str, Enum):
    """When a parameter may be changed."""

    ANY_TIME = "at any time"
    UNCONFIGURED = "while the node is unconfigured"
    NEVER = "at start only"


@dataclass(frozen=True, kw_only=True)
class ParameterSpec:
    """One parameter.

    Attributes:
        name: as in YAML files and on the command line.
        default: its value unless given; its type is the parameter's type.
        description: what it means and in which unit.
        minimum: smallest number allowed.
        maximum: largest number allowed.
        choices: the texts that are allowed; none for any.
        pattern: regular expression that the whole text, or each text of a list, must match, with `pattern_words`
            saying it in words.
        change: when it may be changed.
    """

    name: str
    default: Value
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    pattern_words: str = ""
    change: Change = Change.ANY_TIME

    @property
    def constraints(self) -> str:
        """What a descriptor's range cannot say, in words."""
        parts = []
        if self.choices:
            parts.append("one of " + ", ".join(repr(choice) for choice in self.choices))
        if self.pattern:
            parts.append(self.pattern_words)
        if self.change is not Change.ANY_TIME:
            parts.append(f"can be set {self.change.value}")
        return "; ".join(parts)

    def problem(self, value: Value) -> str | None:
        """Why this value is refused, or None."""
        if isinstance(self.default, list):
            return self._problem_of_texts(value)
        if type(value) is not type(self.default):
            return f"{self.name} must be of type {type(self.default).__name__}, got {value!r:.200}"
        if isinstance(value, str):
            return self._problem_of_text(value)
        if self.minimum is not None and self.maximum is not None:
            low, high = self.minimum, self.maximum
            if not (math.isfinite(value) and low <= value <= high):
                return f"{self.name} must be between {low:g} and {high:g}, got {value!r:.200}"
        return None

    def _problem_of_texts(self, value: Value) -> str | None:
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            return f"{self.name} must be a list of texts, got {value!r:.200}"
        if not value or len(set(value)) < len(value):
            return f"{self.name} must hold at least one text, and none twice, got {list(value)!r}"
        return next((reason for reason in map(self._problem_of_text, value) if reason), None)

    def _problem_of_text(self, value: str) -> str | None:
        if self.choices and value not in self.choices:
            return f"{self.name} must be {self.constraints}, got {value!r:.200}"
        if self.pattern and not re.fullmatch(self.pattern, value):
            return f"{self.name} must be {self.pattern_words}, got {value!r:.200}"
        return None
