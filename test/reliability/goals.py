"""Goals of ~/perceive as a client sends them, whose results may get lost on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient

from instructseq.action import Perceive

from .watcher import Watcher

SOON = 900.0
"""Seconds; a machine that has next to no time for a process takes some minutes to start it."""


@dataclass(kw_only=True)
class SentGoal:
    """A goal that was accepted.

    Attributes:
        handle: rclpy's.
        asked: futures of its result, one for each time that it was asked for.
        skipped: how many frames it could not use.
    """

    handle: Any = None
    asked: list[Any] = field(default_factory=list)
    skipped: int = 0

    def ask(self) -> None:
        """Ask for the result unless it is there; DDS drops it if this process stood still when it came."""
        if self.outcome is None:
            self.asked.append(self.handle.get_result_async())

    @property
    def outcome(self) -> Any:
        """Status and result; None before the end."""
        return next((future.result() for future in self.asked if future.done()), None)

    @property
    def is_lost(self) -> bool:
        """Whether the node says that it is through with the goal, and has its result no more."""
        return self.outcome is not None and self.outcome.status == GoalStatus.STATUS_UNKNOWN


def send(client: ActionClient[Any, Any, Any], watcher: Watcher, goal: Perceive.Goal) -> SentGoal:
    """Send it to a node that is active, and ask for its result."""
    sent = SentGoal()

    def note(message: Any) -> None:
        sent.skipped = message.feedback.skipped

    future = client.send_goal_async(goal, feedback_callback=note)
    watcher.wait(future.done, SOON)
    sent.handle = future.result()
    assert sent.handle.accepted
    sent.ask()
    return sent


def carried_out(client: ActionClient[Any, Any, Any], watcher: Watcher, goal: Perceive.Goal) -> Any:
    """Send it, again where its result is lost, and return the result."""
    for _ in range(5):
        sent = send(client, watcher, goal)
        watcher.repeat(sent.ask, lambda sent=sent: sent.outcome, SOON)  # type: ignore[misc]
        if not sent.is_lost:
            return sent.outcome.result
    raise AssertionError("five results were lost")
