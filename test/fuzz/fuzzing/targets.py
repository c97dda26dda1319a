"""The kinds of input: how one of each is made, and what the program does with it. A further one joins `TARGETS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from instructseq_model.errors import InstructSeqError

from . import bags, checkpoints, compressed, exports, goals, images, instructions, parameters, pickles


@dataclass(frozen=True)
class Target:
    """One kind of input.

    Attributes:
        make: an input, from random choices alone.
        feed: gives it to the program and checks what comes back.
        refusals: the errors that may come instead; anything else is a fault of the program.
    """

    make: Callable[[Random], Any]
    feed: Callable[[Any], None]
    refusals: tuple[type[Exception], ...] = (InstructSeqError,)


TARGETS: dict[str, Target] = {
    "images": Target(images.make, images.feed),
    "compressed": Target(compressed.make, compressed.feed),
    "instructions": Target(instructions.make, instructions.feed),
    "goals": Target(goals.make, goals.feed),
    "parameters": Target(parameters.make, parameters.feed),
    "checkpoints": Target(checkpoints.make, checkpoints.feed),
    "exports": Target(exports.make, exports.feed),
    "bags": Target(bags.make, bags.feed),
    "pickles": Target(pickles.make, pickles.feed, (*pickles.REFUSALS,)),
}


def outcome(target: Target, made: Any) -> str:
    """Feed one input: "taken", or the refusal in words.

    Raises:
        AssertionError: what came back is wrong, or the refusal does not say enough.
        Exception: whatever the program let through that is no refusal.
    """
    try:
        target.feed(made)
    except target.refusals as refusal:
        words = str(refusal)
        assert len(words) > 15, f"a refusal that says nothing: {words!r}"
        assert len(words) < 5000, f"a refusal of {len(words)} characters"
        return words
    return "taken"
