"""How things move: one is lifted, carried in an arc to a free place, and put down, as a hand would do it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from instructseq_training.scenes.placement import Pose

SECONDS = 1.5
LIFT = 0.18  # metres in a scene on a table
ROOM_LIFT = 0.5


@dataclass(frozen=True, kw_only=True)
class Carrying:
    """One object on its way.

    Attributes:
        slot: which one, by its number in the arrangement.
        start: where it stood.
        goal: where it will stand.
        lift: greatest height above the table, metres.
        begun: seconds of the scene's clock.
    """

    slot: int
    start: Pose
    goal: Pose
    lift: float
    begun: float

    def at(self, now: float) -> tuple[Pose, float]:
        """Where it is, and how high above the table, in metres.

        Args:
            now: seconds of the scene's clock.
        """
        share = min(1.0, max(0.0, (now - self.begun) / SECONDS))
        smooth = share * share * (3 - 2 * share)  # starts and ends at rest
        turn = math.remainder(self.goal.yaw - self.start.yaw, 2 * math.pi)
        pose = Pose(
            self.start.x + smooth * (self.goal.x - self.start.x),
            self.start.y + smooth * (self.goal.y - self.start.y),
            self.start.yaw + smooth * turn,
        )
        return (self.goal, 0.0) if share >= 1 else (pose, self.lift * math.sin(math.pi * share))

    def is_done(self, now: float) -> bool:
        """Whether it stands at its goal."""
        return now >= self.begun + SECONDS
