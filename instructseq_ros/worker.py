"""The thread that runs the model: one slot for the newest frame, a short queue of goals, and nothing else waits.

Frames come faster than a model answers. The slot holds the newest one only; a frame that a newer one has replaced is
never processed. Goals wait in line for their own image or for the first frame that comes after them, and take turns
with the standing instruction. Nothing here imports ROS.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

Frame = TypeVar("Frame")

MAX_GOALS = 4
"""More goals than this do not wait: the sixth client is better told at once than kept."""


class Abandoned(Exception):  # noqa: N818 - nothing went wrong
    """Nobody wants the work in hand any more. Raised by whoever reports progress, so that the work breaks off."""


class Ticket(Generic[Frame]):
    """A goal's place in the queue.

    Attributes:
        request: what to do; the worker does not look into it.
        frame: the goal's own image, or None for the next frame that comes.
        future: the answer, or the exception that took its place.
        stage: what is being done, for people; `progress` is the share that is done, in [0, 1].
        abandoned: the answer is not wanted any more.
    """

    def __init__(self, request: Any, frame: Frame | None, *, after: int) -> None:
        self.request = request
        self.frame = frame
        self.future: Future[Any] = Future()
        self.stage = "waiting"
        self.progress = 0.0
        self.abandoned = False
        self.after = after

    def report(self, stage: str, progress: float) -> None:
        """Say what is being done now.

        Raises:
            Abandoned: it need not be done any more.
        """
        if self.abandoned:
            raise Abandoned
        self.stage, self.progress = stage, progress


class Worker(Generic[Frame]):
    """Runs `on_frame` for the newest frame while an instruction stands, and `on_goal` for goals, in one thread.

    Args:
        on_frame: called with a frame; must not raise.
        on_goal: called with a ticket and its frame; what it returns or raises goes into the ticket's future.
        on_replaced: called when a waiting frame is replaced by a newer one while an instruction stands.
    """

    def __init__(
        self,
        *,
        on_frame: Callable[[Frame], None],
        on_goal: Callable[[Ticket[Frame], Frame], Any],
        on_replaced: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_frame = on_frame
        self._on_goal = on_goal
        self._on_replaced = on_replaced
        self._condition = threading.Condition()
        self._frame: Frame | None = None
        self._arrived = 0  # number of frames so far
        self._fresh = False  # the slot's frame has not been given to the standing instruction
        self._standing = False
        self._goal_was_last = False
        self._tickets: list[Ticket[Frame]] = []
        self._in_hand: Ticket[Frame] | None = None
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; a second call while it runs does nothing."""
        if self._thread is None:
            self._stopping = False
            self._thread = threading.Thread(target=self._loop, name="instructseq-worker", daemon=True)
            self._thread.start()

    def stop(self, *, timeout: float | None = None) -> bool:
        """Drop all that waits, let the work in hand end (a goal breaks off at its next report), and join the thread.

        Args:
            timeout: seconds to wait at most; None for as long as it takes.

        Returns:
            Whether the thread has ended.
        """
        with self._condition:
            self._stopping = True
            self._frame, self._fresh = None, False
            waiting, self._tickets = self._tickets, []
            if self._in_hand is not None:
                self._in_hand.abandoned = True
            self._condition.notify_all()
        for ticket in waiting:
            ticket.future.cancel()
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
            if thread.is_alive():
                return False
            self._thread = None
        return True

    def offer(self, frame: Frame) -> None:
        """Put the newest frame into the slot; the one that was there is gone."""
        with self._condition:
            replaced = self._fresh and self._standing
            self._frame, self._fresh = frame, True
            self._arrived += 1
            self._condition.notify()
        if replaced:
            self._on_replaced()

    def stand(self, standing: bool) -> None:
        """Say whether an instruction stands; a new one is also applied to the newest frame that is already there."""
        with self._condition:
            self._standing = standing
            self._fresh = self._frame is not None
            self._condition.notify()

    def submit(self, request: Any, *, frame: Frame | None = None) -> Ticket[Frame] | None:
        """Put a goal in line.

        Args:
            request: what to do.
            frame: its own image; None for the next frame that comes.

        Returns:
            Its ticket, or None if `MAX_GOALS` wait already.
        """
        with self._condition:
            if len(self._tickets) >= MAX_GOALS or self._stopping:
                return None
            ticket: Ticket[Frame] = Ticket(request, frame, after=self._arrived)
            self._tickets.append(ticket)
            self._condition.notify()
        return ticket

    def withdraw(self, ticket: Ticket[Frame]) -> bool:
        """Take a goal out of the line. False if it was taken up already; then it breaks off at its next report."""
        ticket.abandoned = True
        with self._condition:
            if ticket in self._tickets:
                self._tickets.remove(ticket)
        return ticket.future.cancel()

    def _loop(self) -> None:
        while (work := self._next()) is not None:
            ticket, frame = work
            if ticket is None:
                self._on_frame(frame)
            elif ticket.future.set_running_or_notify_cancel():
                self._answer(ticket, frame)
                self._in_hand = None

    def _answer(self, ticket: Ticket[Frame], frame: Frame) -> None:
        try:
            answer = self._on_goal(ticket, frame)
        except Exception as error:  # the goal's client is told; the thread must live
            ticket.future.set_exception(error)
        else:
            ticket.future.set_result(answer)

    def _next(self) -> tuple[Ticket[Frame] | None, Frame] | None:
        """Wait for work: a goal's ticket and its frame, or the newest frame alone; None at the end."""
        with self._condition:
            while not self._stopping:
                work = self._choose()
                if work is not None:
                    return work
                self._condition.wait()
        return None

    def _choose(self) -> tuple[Ticket[Frame] | None, Frame] | None:
        """What is ready. Goals go first, but not twice in a row while a frame waits for the standing instruction."""
        standing = self._frame if self._standing and self._fresh else None
        if standing is None or not self._goal_was_last:
            for ticket in self._tickets:
                frame = ticket.frame if ticket.frame is not None else self._frame
                if frame is not None and (ticket.frame is not None or self._arrived > ticket.after):
                    self._tickets.remove(ticket)
                    self._goal_was_last = True
                    self._in_hand = ticket
                    return ticket, frame
        self._goal_was_last = False
        if standing is None:
            return None
        self._fresh = False
        return None, standing
