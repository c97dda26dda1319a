"""What the project wants to reach, row by row, and what a row's notes say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from instructseq_bench.rows import Row

Why = Callable[[], str]
"""Finds out why an aim was missed: from a profile, where there is one."""


@dataclass(frozen=True, kw_only=True)
class Aim:
    """A bound on one column of the rows whose names match.

    Attributes:
        rows: pattern of row names, as in a shell.
        column: which number.
        bound: the smallest or largest good value.
        at_least: whether larger is better.
        device: "cpu" or "cuda" where the aim is of one kind of device; "" for both.
    """

    rows: str
    column: Literal["ours", "ratio", "share_of_limit"]
    bound: float
    at_least: bool
    device: str = ""

    def concerns(self, row: Row, device: str) -> bool:
        """Whether the row is held against this aim."""
        return fnmatchcase(row.name, self.rows) and device.startswith(self.device)

    def reached(self, value: float) -> bool:
        """Whether a value is good enough."""
        return value >= self.bound if self.at_least else value <= self.bound

    def needs_gpu(self, row: Row, device: str) -> bool:
        """Whether the row would be held against this aim if the device were a GPU."""
        return self.device == "cuda" and fnmatchcase(row.name, self.rows) and not device.startswith("cuda")

    def bounds(self) -> str:
        """In words."""
        return f"{self.column} at {'least' if self.at_least else 'most'} {self.bound:g}"

    def words(self, value: float) -> str:
        """For the notes."""
        found = "reached" if self.reached(value) else f"missed ({value:.3g})"
        return f"aim {found}: {self.bounds()}"


AIMS: tuple[Aim, ...] = (
    Aim(rows="paper/token by token N=1", column="share_of_limit", bound=0.7, at_least=True, device="cpu"),
    Aim(rows="paper/token by token N=1", column="ratio", bound=6, at_least=True, device="cpu"),
    Aim(rows="paper/cost of N=10", column="ours", bound=4, at_least=False, device="cpu"),
    Aim(rows="paper/cost of N=10", column="ours", bound=2, at_least=False, device="cuda"),
    Aim(rows="paper/map N=10", column="ours", bound=190, at_least=False, device="cuda"),
    Aim(rows="maps/single/*/stale passes N=1", column="ratio", bound=5, at_least=True),
    Aim(rows="maps/stream/*/previous passes N=1", column="ratio", bound=10, at_least=True),
    Aim(rows="maps/single/*/stale time N=1", column="ratio", bound=3, at_least=True, device="cpu"),
    Aim(rows="maps/stream/*/previous time N=1", column="ratio", bound=3, at_least=True, device="cpu"),
    Aim(rows="tasks/torch/segmentation N=1", column="ours", bound=200, at_least=False, device="cpu"),
    Aim(rows="node/overhead", column="ours", bound=5, at_least=False),
    Aim(rows="startup/torch/first map", column="ours", bound=5, at_least=False),
)


def judged(row: Row, *, device: str, why: Why | None = None) -> Row:
    """The row with a word on each aim that concerns it, and why one was missed or cannot be judged here.

    Args:
        row: as measured.
        device: where.
        why: asked once, if an aim was missed.
    """
    words, missed = [], False
    for aim in AIMS:
        if aim.needs_gpu(row, device):
            words.append(f"aim on a GPU: {aim.bounds()}; not measurable here, without one: --preset gpu measures it")
        value = getattr(row, aim.column)
        if aim.concerns(row, device) and value is not None:
            words.append(aim.words(value))
            missed = missed or not aim.reached(value)
    if missed and why is not None:
        words.append(f"why: {why()}")
    return row.noted(*words)
