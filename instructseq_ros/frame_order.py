"""Frames in the order of their stamps: a late one is refused, and a clock that was set back is told from that.

Nothing here imports ROS.
"""

from __future__ import annotations

from enum import Enum


class Order(Enum):
    """How a frame's stamp lies to those before it."""

    NEXT = "next"
    LATE = "late"
    RESTART = "restart"


class FrameOrder:
    """The newest stamp of one camera.

    A robot's clock goes on; a bag that is played in a loop, or a simulation that is reset, starts anew. So a frame
    whose stamp lies a little before the newest one came late, while a great step back is a new beginning.
    """

    def __init__(self) -> None:
        self._newest: int | None = None

    def admit(self, stamp: int, *, most_late: int) -> Order:
        """Compare a frame with the newest one before it, which it becomes unless it is late.

        Args:
            stamp: nanoseconds.
            most_late: nanoseconds by which a frame may lie before the newest one and be late; more is a restart.
        """
        newest = self._newest
        if newest is not None and newest - most_late <= stamp < newest:
            return Order.LATE
        self._newest = stamp
        return Order.NEXT if newest is None or stamp >= newest else Order.RESTART
