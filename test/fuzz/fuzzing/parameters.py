"""Parameters: any name with any value, one or several at a time."""

from __future__ import annotations

from random import Random
from typing import Any

from instructseq_model.errors import ConfigError
from instructseq_ros.parameters import PARAMETERS, problem_of, settings_of

from .mutation import plain, text

SPECS = {spec.name: spec for spec in PARAMETERS}


def make(random: Random) -> tuple[dict[str, Any], bool]:
    """Values by name, and whether the node is configured."""
    names = [random.choice([*SPECS, text(random, longest=30)]) for _ in range(random.randint(1, 4))]
    return {name: plain(random) for name in names}, random.random() < 0.5


def feed(made: tuple[dict[str, Any], bool]) -> None:
    """What is accepted has its type and lies in its range."""
    values, configured = made
    problem = problem_of(values, configured=configured)
    if problem is not None:
        raise ConfigError(problem)
    known = {name: value for name, value in values.items() if name in SPECS}
    settings_of({name: spec.default for name, spec in SPECS.items()} | known)
    for name, value in known.items():
        spec = SPECS[name]
        assert type(value) is type(spec.default), (name, value)
        if spec.minimum is not None and spec.maximum is not None:
            assert spec.minimum <= value <= spec.maximum, (name, value)
