"""The action ~/perceive: one instruction on the next frame, on the next frames of cameras, or on the goal's own image.

No thread waits for a goal: the worker's thread tells what becomes of it, and a timer looks for those that wait long.
So it works in executors of any kind, one with a single thread among them. A goal counts as executing from the moment
that its result is there; before that it is accepted, and its feedback says how far it is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from rclpy.action.server import ActionServer, CancelResponse, GoalResponse, ServerGoalHandle
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from instructseq.action import Perceive
from instructseq_model.errors import InstructSeqError, StoppedError
from instructseq_ros.inference import Answer, Frame, PartialAnswer, Request, WatchAnswers
from instructseq_ros.messages import perception_message
from instructseq_ros.parameters import Settings
from instructseq_ros.partial_feedback import Pace, partial_feedback
from instructseq_ros.worker import Abandoned, Ticket, Worker

LOOK_SECONDS = 0.1
"""How often goals that wait are looked at."""

FEEDBACK_SECONDS = 0.5
"""Feedback comes at least this often, so that a client can tell waiting from hanging."""

QUICKEST_FEEDBACK_SECONDS = 0.05
"""Feedback of the same stage comes no more often than this."""

DEACTIVATED = "the node was deactivated before it was done with the goal"


@dataclass(eq=False)
class _Goal:
    """A goal in line or in hand.

    Attributes:
        ticket: its place in the worker's line.
        is_cancelled: its client does not want it any more.
        waiting_for: the camera that it waits for, or waited for last; None before the first.
        waiting_since: when it began to wait for that camera.
        sent: the stage and number of answers that were last told, at `sent_at`.
    """

    handle: Any
    ticket: Ticket[Frame] | None = None
    is_cancelled: bool = False
    waiting_for: str | None = None
    waiting_since: float = 0.0
    sent: tuple[str, int] = ("", -1)
    sent_at: float = 0.0


class PerceiveAction:
    """Serves ~/perceive.

    Args:
        node: the node that owns the action.
        worker: what carries goals out; its answers are `Answer`.
        is_active: whether goals are accepted now.
        request_of: makes a request of a goal, or raises an InstructSeqError that says why not.
        settings: asked for the node's parameters.
        topic_of: full name of a camera's topic.
        on_error: told why a goal failed.
    """

    def __init__(
        self,
        node: Node,
        *,
        worker: Worker[Frame],
        is_active: Callable[[], bool],
        request_of: Callable[[Perceive.Goal], Request],
        settings: Callable[[], Settings],
        topic_of: Callable[[str], str],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._node, self._worker, self._is_active = node, worker, is_active
        self._request_of, self._settings, self._topic_of, self._on_error = request_of, settings, topic_of, on_error
        self._lock = threading.RLock()
        self._goals: dict[bytes, _Goal] = {}
        self._server: ActionServer[Any, Any, Any] = ActionServer(
            node,
            Perceive,
            "~/perceive",
            lambda handle: Perceive.Result(),  # every goal brings its own way to end
            callback_group=ReentrantCallbackGroup(),
            goal_callback=self._accept,
            handle_accepted_callback=self._accepted,
            cancel_callback=self._cancel,
        )
        self._timer = node.create_timer(
            LOOK_SECONDS, self._look, MutuallyExclusiveCallbackGroup(), clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def destroy(self) -> None:
        """Take the action away."""
        self._node.destroy_timer(self._timer)
        self._server.destroy()

    def _accept(self, goal: Perceive.Goal) -> GoalResponse:
        if self._is_active():
            return GoalResponse.ACCEPT
        self._node.get_logger().warning("a goal of ~/perceive was rejected: the node is not active")
        return GoalResponse.REJECT

    def _accepted(self, handle: ServerGoalHandle[Any, Any, Any]) -> None:
        """Put the goal in line, or end it with the reason why not."""
        goal = _Goal(handle, waiting_since=time.monotonic())
        key = _key(handle)
        with self._lock:
            self._goals[key] = goal
        try:
            goal.ticket = self._submit(handle.request, goal)
        except InstructSeqError as error:
            self._on_error(error)
            self._end(key, handle.abort, str(error))
            return
        goal.ticket.future.add_done_callback(lambda future: self._done(key, goal, future))

    def _submit(self, request: Perceive.Goal, goal: _Goal) -> Ticket[Frame]:
        settings = self._settings()
        image, cameras = _images_of(request, settings.cameras)
        ticket = self._worker.submit(
            self._request_of(request),
            most=settings.max_goals,
            image=image,
            cameras=cameras,
            on_progress=lambda ticket: self._tell(goal, ticket, QUICKEST_FEEDBACK_SECONDS),
            watch=self._watch_of(goal),
        )
        if ticket is None:
            raise InstructSeqError(
                f"{settings.max_goals} goals wait already: send this one again when one of them is done, or raise the "
                "parameter max_goals"
            )
        return ticket

    def _cancel(self, handle: ServerGoalHandle[Any, Any, Any]) -> CancelResponse:
        """Take the goal out of the line, or break it off: the model stops before its next pass."""
        with self._lock:
            goal = self._goals.get(_key(handle))
        if goal is not None and goal.ticket is not None:
            goal.is_cancelled = True
            self._worker.withdraw(goal.ticket)
        return CancelResponse.ACCEPT

    def _look(self) -> None:
        """Give up goals that wait too long, and tell clients of the others that they are not forgotten."""
        with self._lock:
            goals = list(self._goals.values())
        for goal in goals:
            ticket = goal.ticket
            if ticket is None or ticket.future.done():
                continue
            self._tell(goal, ticket, FEEDBACK_SECONDS)
            camera = ticket.waits_for if self._worker.lacks_frame(ticket) else None
            now, wait = time.monotonic(), self._settings().goal_timeout
            if camera is None:
                continue
            if camera != goal.waiting_for:  # a frame that cannot be used is no new beginning
                goal.waiting_for, goal.waiting_since = camera, now
            if now - goal.waiting_since > wait and self._worker.withdraw(ticket):
                words = _nothing_came(ticket, self._topic_of(camera), wait)
                self._end(_key(goal.handle), goal.handle.abort, words, ticket.answers)

    def _tell(self, goal: _Goal, ticket: Ticket[Frame], period: float) -> None:
        """Send feedback if the stage is another one, an answer has come, or the last feedback is `period` old."""
        now, told = time.monotonic(), (ticket.stage, len(ticket.answers))
        if told == goal.sent and now - goal.sent_at < period:
            return
        is_new = told[1] > max(goal.sent[1], 0)
        goal.sent, goal.sent_at = told, now
        partial = [perception_message(ticket.answers[-1])] if is_new else []
        feedback = Perceive.Feedback(
            stage=ticket.stage,
            progress=float(ticket.progress),
            partial=partial,
            is_final=is_new,
            skipped=ticket.skipped,
            skipped_because=ticket.skipped_because,
        )
        goal.handle.publish_feedback(feedback)

    def _watch_of(self, goal: _Goal) -> WatchAnswers:
        """Sends the goal's answer under way as feedback, now and then."""
        pace = Pace(rate=lambda: self._settings().partial_rate)

        def send(read: Callable[[], list[PartialAnswer]]) -> None:
            for partial in read():
                assert goal.ticket is not None
                message = partial_feedback(partial, stage=goal.ticket.stage, progress=goal.ticket.progress)
                goal.handle.publish_feedback(message)

        def watch(read: Callable[[], list[PartialAnswer]]) -> None:
            if goal.ticket is not None and not goal.ticket.abandoned:
                pace(lambda: send(read))

        return watch

    def _done(self, key: bytes, goal: _Goal, future: Future[list[Answer]]) -> None:
        """The worker is done with the goal, in one way or another."""
        answers: list[Answer] = goal.ticket.answers if goal.ticket is not None else []
        error = None if future.cancelled() else future.exception()
        if goal.is_cancelled and (future.cancelled() or isinstance(error, Abandoned | StoppedError)):
            self._end(key, goal.handle.abort, "it was cancelled", answers)
        elif future.cancelled():
            if not self._is_active():  # else whoever has withdrawn it says why
                self._end(key, goal.handle.abort, DEACTIVATED, answers)
        elif error is None:
            self._end(key, goal.handle.succeed, "", answers)
        elif isinstance(error, Abandoned | StoppedError):
            self._end(key, goal.handle.abort, DEACTIVATED, answers)
        else:
            assert isinstance(error, Exception)
            self._on_error(error)
            explained = isinstance(error, InstructSeqError)
            words = str(error) if explained else f"the model failed: {error!r}; the node's log says where"
            self._end(key, goal.handle.abort, words, answers)

    def _end(self, key: bytes, end: Callable[[], None], message: str, answers: Sequence[Answer] = ()) -> None:
        """Bring a goal to its end: its result goes out, with the reason if there is no answer."""
        with self._lock:
            goal = self._goals.pop(key, None)
        if goal is None:
            return
        messages = [perception_message(answer) for answer in answers]
        result = Perceive.Result(success=not message, message=message, others=messages[0 if message else 1 :])
        if not message:
            result.perception = messages[0]

        def finish(handle: ServerGoalHandle[Any, Any, Any]) -> Perceive.Result:
            if goal.is_cancelled and message:
                _wait_until_cancelling(handle)
            if handle.is_active:
                (handle.canceled if handle.is_cancel_requested and message else end)()
            return result

        if self._node.executor is None:
            return  # nobody is left to send it
        try:
            goal.handle.execute(finish)
        except RuntimeError:  # rclpy noted a cancel request between its own look and its change of state
            goal.handle.execute(finish)


def _wait_until_cancelling(handle: ServerGoalHandle[Any, Any, Any]) -> None:
    """Wait for rclpy, which asks whether a goal may be cancelled before it notes so, in another thread."""
    end = time.monotonic() + 1.0
    while handle.is_active and not handle.is_cancel_requested and time.monotonic() < end:
        time.sleep(0.001)


def _nothing_came(ticket: Ticket[Frame], topic: str, seconds: float) -> str:
    """Why a goal is given up that waits for a frame."""
    if ticket.skipping_since is not None:
        return (
            f"no frame that can be used came on {topic} within {seconds:g} seconds; the last one was skipped: "
            f"{ticket.skipped_because}"
        )
    return (
        f"no frame came on {topic} within {seconds:g} seconds: check the camera and the remapping, or send an image "
        "with the goal"
    )


def _key(handle: ServerGoalHandle[Any, Any, Any]) -> bytes:
    return bytes(handle.goal_id.uuid)


def _images_of(goal: Perceive.Goal, known: Sequence[str]) -> tuple[Frame | None, tuple[str, ...]]:
    """The goal's own image, or the cameras whose next frames it looks at.

    Raises:
        InstructSeqError: there is no such camera, or both are given.
    """
    cameras = tuple(goal.cameras)
    if goal.image.width:
        if cameras:
            raise InstructSeqError("the goal has an image and names cameras: leave one of them out")
        return Frame(message=goal.image, compressed=False, arrived=time.monotonic()), ()
    if cameras == (Perceive.Goal.ALL_CAMERAS,):
        return None, tuple(known)
    unknown = [name for name in cameras if name not in known]
    if unknown or len(set(cameras)) < len(cameras):
        names = ", ".join(repr(name) for name in known)
        raise InstructSeqError(f"cameras must be some of {names}, none twice, or '*' for all, got {list(cameras)}")
    return None, cameras or (known[0],)
