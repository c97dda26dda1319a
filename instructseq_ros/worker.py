"""The thread that runs the model: it does what the schedule says, one thing after the other. Nothing here imports ROS.

Frames come faster than a model answers. Each camera's slot holds the newest one only; a frame that a newer one has
replaced is never processed. Goals wait in a short line for their own image or for the next frames.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from instructseq_ros.schedule import Line, Part, Schedule, Turn
from instructseq_ros.standing import Standing

Frame = TypeVar("Frame")


class Abandoned(Exception):  # noqa: N818 - nothing went wrong
    """Nobody wants the work in hand any more."""


class FrameSkipped(Exception):  # noqa: N818 - the goal goes on
    """The frame cannot be used; the goal takes the camera's next one."""


class Ticket(Generic[Frame]):
    """A goal on its way.

    Attributes:
        request: what to do; the worker does not look into it.
        image: the goal's own, or None where it looks at the next frames of `cameras`.
        cameras: whose next frames it looks at, in order.
        answers: those that are there, one a camera.
        future: all answers, or the exception that took their place.
        stage: what is being done, for people; `progress` is the share that is done, in [0, 1].
        abandoned: the answer is not wanted any more.
        watch: what wants to see the answer under way, or None; the worker does not look into it.
        skipped: frames that could not be used, `skipped_because` why the last one could not.
        skipping_since: when the first of those of the camera in hand was skipped, by whatever clock `skip` is told.
    """

    def __init__(
        self,
        request: Any,
        *,
        image: Frame | None,
        cameras: Sequence[str],
        on_progress: Callable[[Ticket[Frame]], None],
        watch: Any = None,
    ) -> None:
        self.request, self.image, self.cameras = request, image, tuple(cameras)
        self.answers: list[Any] = []
        self.future: Future[list[Any]] = Future()
        self.stage = "waiting"
        self.progress = 0.0
        self.abandoned = False
        self._parts = 1 if image is not None else len(cameras)
        self.watch = watch
        self.skipped, self.skipped_because = 0, ""
        self.skipping_since: float | None = None
        self._on_progress = on_progress

    @property
    def waits_for(self) -> str | None:
        """The camera whose frame it waits for now; None while it is worked on, is done, or has its own image."""
        if self.stage != "waiting" or self.image is not None or len(self.answers) == self._parts:
            return None
        return self.cameras[len(self.answers)]

    def report(self, stage: str, progress: float) -> None:
        """Say what is being done now, with the share of the image in hand that is done.

        Raises:
            Abandoned: it need not be done any more.
        """
        if self.abandoned:
            raise Abandoned
        self.stage, self.progress = stage, (len(self.answers) + progress) / self._parts
        self._on_progress(self)

    def skip(self, because: str, *, now: float, patience: float) -> bool:
        """Whether to wait for the next frame because this one cannot be used, and not have skipped for too long.

        Args:
            because: why.
            now: seconds.
            patience: seconds after the first frame skipped of a camera, from which on none is skipped any more.
        """
        if self.skipping_since is None:
            self.skipping_since = now
        if now - self.skipping_since > patience:
            return False
        self.skipped, self.skipped_because = self.skipped + 1, because
        self.stage, self.progress = "waiting", len(self.answers) / self._parts
        self._on_progress(self)
        return True

    def answered(self, answer: Any) -> bool:
        """Keep the answer to one image. Whether that was the last."""
        self.answers.append(answer)
        self.skipping_since = None
        if len(self.answers) == self._parts:
            return True
        self.stage, self.progress = "waiting", len(self.answers) / self._parts
        self._on_progress(self)
        return False


class Worker(Generic[Frame]):
    """Runs `on_turn` for frames while instructions stand, and `on_part` for goals, in one thread.

    Args:
        on_turn: carries standing instructions out on a frame; must not raise.
        on_part: carries a goal out on one image; what it returns or raises goes to the ticket.
        on_replaced: told the camera when a frame that was waited for is replaced by a newer one.
    """

    def __init__(
        self,
        *,
        on_turn: Callable[[Turn[Frame]], None],
        on_part: Callable[[Ticket[Frame], str, Frame], Any],
        on_replaced: Callable[[str], None] = lambda camera: None,
    ) -> None:
        self._on_turn, self._on_part, self._on_replaced = on_turn, on_part, on_replaced
        self._condition = threading.Condition()
        self._schedule: Schedule[Frame] = Schedule()
        self._lines: dict[Ticket[Frame], Line[Frame]] = {}
        self._in_hand: Ticket[Frame] | None = None
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether the work in hand is to be broken off."""
        return self._stopping

    def start(self) -> None:
        """Start the thread; a second call while it runs does nothing."""
        if self._thread is None:
            self._stopping = False
            self._thread = threading.Thread(target=self._loop, name="instructseq-worker", daemon=True)
            self._thread.start()

    def stop(self, *, timeout: float | None = None) -> bool:
        """Drop all that waits, let the work in hand break off, and join the thread.

        Args:
            timeout: seconds to wait at most; None for as long as it takes.

        Returns:
            Whether the thread has ended.
        """
        with self._condition:
            self._stopping = True
            self._schedule.clear()
            waiting = [ticket for ticket in self._lines if ticket is not self._in_hand]
            self._lines.clear()
            if self._in_hand is not None:
                self._in_hand.abandoned = True
            self._condition.notify_all()
        for ticket in waiting:
            ticket.future.cancel()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
            if thread.is_alive():
                return False
            self._thread = None
        return True

    def offer(self, camera: str, frame: Frame) -> None:
        """Put a camera's newest frame into its slot; the one that was there is gone."""
        with self._condition:
            replaced = self._schedule.offer(camera, frame)
            self._condition.notify()
        if replaced:
            self._on_replaced(camera)

    def stand(self, instructions: Sequence[Standing]) -> None:
        """Say which instructions stand; a new one is also carried out on the newest frames that are already there."""
        with self._condition:
            self._schedule.stand(instructions)
            self._condition.notify()

    def submit(
        self,
        request: Any,
        *,
        most: int,
        image: Frame | None = None,
        cameras: Sequence[str] = ("",),
        on_progress: Callable[[Ticket[Frame]], None] = lambda ticket: None,
        watch: Any = None,
    ) -> Ticket[Frame] | None:
        """Put a goal in line.

        Args:
            request: what to do.
            most: goals that may wait, besides the one that is worked on.
            image: its own; None for the next frames that come.
            cameras: of which cameras, in order.
            on_progress: told of every report, in the worker's thread.
            watch: what wants to see the answer under way, for whoever carries the goal out.

        Returns:
            Its ticket, or None if `most` goals wait already, or the worker stops.
        """
        with self._condition:
            waiting = len(self._lines) - (self._in_hand is not None)
            if waiting >= most or self._stopping:
                return None
            ticket: Ticket[Frame] = Ticket(request, image=image, cameras=cameras, on_progress=on_progress, watch=watch)
            self._lines[ticket] = self._schedule.line_up(ticket, image=image, cameras=cameras)
            self._condition.notify()
        return ticket

    def withdraw(self, ticket: Ticket[Frame]) -> bool:
        """Take a goal out of the line. False if it is in hand, and breaks off by itself soon, or is done."""
        with self._condition:
            line = self._lines.get(ticket)
            if line is None:  # the thread is about to say what became of it
                return False
            ticket.abandoned = True
            self._schedule.withdraw(line)
            if ticket is self._in_hand:
                return False
            del self._lines[ticket]
        return ticket.future.cancel()

    def lacks_frame(self, ticket: Ticket[Frame]) -> bool:
        """Whether a goal waits for a frame that has not come, and not only for its turn."""
        with self._condition:
            line = self._lines.get(ticket)
            return line is not None and ticket is not self._in_hand and self._schedule.lacks_frame(line)

    def _loop(self) -> None:
        while (work := self._next()) is not None:
            if isinstance(work, Turn):
                self._on_turn(work)
            else:
                self._carry_on(work)

    def _next(self) -> Turn[Frame] | Part[Frame] | None:
        """Wait for work; None at the end."""
        with self._condition:
            while not self._stopping:
                work = self._schedule.next()
                if isinstance(work, Part):
                    self._in_hand = work.line.request
                if work is not None:
                    return work
                self._condition.wait()
        return None

    def _carry_on(self, part: Part[Frame]) -> None:
        """Do one image of a goal; the goal is done after its last one, or after an exception."""
        ticket: Ticket[Frame] = part.line.request
        failure: BaseException | None = None
        is_last = True
        try:
            is_last = ticket.answered(self._on_part(ticket, part.camera, part.frame))
        except FrameSkipped:
            if self._wait_again(part):
                return
            failure = Abandoned()
        except Exception as error:  # the goal's client is told; the thread must live
            failure = error
        with self._condition:
            self._in_hand = None
            if ticket.abandoned and failure is None:
                failure = Abandoned()
            if is_last or failure is not None:
                self._lines.pop(ticket, None)
                self._schedule.withdraw(part.line)
        if failure is not None:
            ticket.future.set_exception(failure)
        elif is_last:
            ticket.future.set_result(ticket.answers)

    def _wait_again(self, part: Part[Frame]) -> bool:
        """Have a goal wait for its camera's next frame; False if it is not wanted any more."""
        ticket: Ticket[Frame] = part.line.request
        with self._condition:
            if ticket.abandoned or self._stopping:
                return False
            self._in_hand = None
            self._schedule.line_up_again(part.line, part.camera)
        return True
