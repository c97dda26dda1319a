"""The instructions that stand: by id, with their cameras, priority and expiry. Nothing here imports ROS."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from instructseq_model.errors import InstructionError

MOST_PRIORITY = 9

ID_PATTERN = r"[A-Za-z][A-Za-z0-9_]{0,63}"
ID_WORDS = "a letter, then letters, digits and underscores, at most 64 characters"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A standing instruction.

    Attributes:
        id: its name; empty for the one that the topic `instruction` sets.
        number: counts the instructions that the node has accepted, from 1.
        cameras: to look at; none for all.
        samples, temperature: 0 for the node's parameters.
        priority: 0 to `MOST_PRIORITY`.
        since: seconds of the monotonic clock.
        expires: seconds of the clock that instructions expire by; None for never.
    """

    id: str
    number: int
    text: str
    cameras: tuple[str, ...] = ()
    samples: int = 0
    temperature: float = 0.0
    priority: int = 0
    since: float = 0.0
    expires: float | None = None

    def watches(self, camera: str) -> bool:
        """Whether it is carried out on this camera's frames."""
        return not self.cameras or camera in self.cameras


class StandingInstructions:
    """What stands, at most `most` instructions. Several threads may use it.

    Args:
        on_change: told all that stand after every change, in the order of their numbers; called under the lock, so
            that the last call is the last change.
    """

    def __init__(self, *, on_change: Callable[[Sequence[Standing]], None]) -> None:
        self._on_change = on_change
        self._lock = threading.Lock()
        self._held: dict[str, Standing] = {}
        self._ends: dict[str, float] = {}  # by id, on the clock of `_steady`
        self._latest: float | None = None  # the last reading of that clock
        self._set_back = 0.0

    def put(self, instruction: Standing, *, most: int) -> None:
        """Let an instruction stand in the place of the one with its id; an empty text ends that one.

        `expire` must have been told the clock that the instruction's end was reckoned by.

        Args:
            instruction: checked.
            most: instructions that may stand at once.

        Raises:
            InstructionError: `most` others stand already.
        """
        with self._lock:
            if not instruction.text:
                self._ends.pop(instruction.id, None)
                if self._held.pop(instruction.id, None) is None:
                    return
            elif instruction.id not in self._held and len(self._held) >= most:
                raise InstructionError(
                    f"{most} instructions stand already, so {instruction.id!r} cannot: end one by sending its id with "
                    "an empty text, or raise the parameter max_instructions"
                )
            else:
                self._held[instruction.id] = instruction
                self._ends.pop(instruction.id, None)
                if instruction.expires is not None:
                    self._ends[instruction.id] = instruction.expires + self._set_back
            self._tell()

    def expire(self, now: float) -> list[Standing]:
        """End those whose time is over, by the clock that they expire by, and return them.

        Where the clock was set back since the last call (a bag that loops, a simulation that is reset), what was left
        of their time is still left: nothing stands for longer than was asked because of it.
        """
        with self._lock:
            steady = self._steady(now)
            over = [one for one in self._held.values() if self._ends.get(one.id, steady + 1) <= steady]
            for one in over:
                del self._held[one.id], self._ends[one.id]
            if over:
                self._tell()
        return over

    def clear(self) -> None:
        """End all."""
        with self._lock:
            self._held.clear()
            self._ends.clear()
            self._tell()

    def stands(self, instruction: Standing) -> bool:
        """Whether this very instruction stands, not one that has replaced it."""
        with self._lock:
            return self._held.get(instruction.id) is instruction

    def all(self) -> tuple[Standing, ...]:
        """Those that stand, in the order of their numbers."""
        with self._lock:
            return self._in_order()

    def _steady(self, now: float) -> float:
        """That clock, with what it was ever set back added: this one never goes back."""
        if self._latest is not None and now < self._latest:
            self._set_back += self._latest - now
        self._latest = now
        return now + self._set_back

    def _in_order(self) -> tuple[Standing, ...]:
        return tuple(sorted(self._held.values(), key=lambda one: one.number))

    def _tell(self) -> None:
        self._on_change(self._in_order())


def check_id(name: str, *, taken: Sequence[str]) -> str:
    """The id of an instruction, if it can be one.

    Args:
        name: as it came; empty is the topic's own.
        taken: names that topics have already: cameras and outputs.

    Raises:
        InstructionError: it cannot; the message says why.
    """
    if name and not re.fullmatch(ID_PATTERN, name):
        raise InstructionError(f"the id {name!r} cannot be part of topic names: use {ID_WORDS}")
    if name and name in taken:
        raise InstructionError(f"the id {name!r} is the name of a camera or an output: choose another one")
    return name
