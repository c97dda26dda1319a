"""The action ~/perceive: one instruction on the next frame, or on the image that comes with the goal."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

from rclpy.action.server import ActionServer, CancelResponse, GoalResponse, ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node

from instructseq.action import Perceive
from instructseq_model.errors import InstructSeqError
from instructseq_ros.inference import Answer, Frame, Request
from instructseq_ros.messages import perception_message
from instructseq_ros.worker import MAX_GOALS, Abandoned, Ticket, Worker

POLL_SECONDS = 0.02
"""How often a goal in progress looks for a cancel request and for a new stage to report."""

FEEDBACK_SECONDS = 0.5
"""Feedback comes at least this often, so that a client can tell waiting from hanging."""


class PerceiveAction:
    """Serves ~/perceive. Every goal in progress occupies one thread of the executor, `MAX_GOALS` + 1 at most.

    Args:
        node: the node that owns the action.
        worker: what carries goals out; its answers are `Answer`.
        is_active: whether goals are accepted now.
        request_of: makes a request of a goal, or raises an InstructSeqError that says why not.
        wait_seconds: how long a goal waits for the next frame, asked for each goal.
        on_error: told why a goal failed.
    """

    def __init__(
        self,
        node: Node,
        *,
        worker: Worker[Frame],
        is_active: Callable[[], bool],
        request_of: Callable[[Perceive.Goal], Request],
        wait_seconds: Callable[[], float],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._node = node
        self._worker = worker
        self._is_active = is_active
        self._request_of = request_of
        self._wait_seconds = wait_seconds
        self._on_error = on_error
        self._server: ActionServer[Any, Any, Any] = ActionServer(
            node,
            Perceive,
            "~/perceive",
            self._execute,
            callback_group=ReentrantCallbackGroup(),
            goal_callback=self._accept,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )

    def destroy(self) -> None:
        """Take the action away."""
        self._server.destroy()

    def _accept(self, goal: Perceive.Goal) -> GoalResponse:
        if self._is_active():
            return GoalResponse.ACCEPT
        self._node.get_logger().warning("a goal of ~/perceive was rejected: the node is not active")
        return GoalResponse.REJECT

    def _execute(self, handle: ServerGoalHandle[Any, Any, Any]) -> Perceive.Result:
        try:
            ticket = self._submit(handle.request)
            finished = self._follow(ticket, handle)
            answer: Answer | None = ticket.future.result() if finished else None
        except (CancelledError, Abandoned):
            return _finish(handle, handle.abort, "the node was deactivated before it was done with the goal")
        except InstructSeqError as error:
            self._on_error(error)
            return _finish(handle, handle.abort, str(error))
        except Exception as error:  # the model failed: the client is told, the log has the trace, the node lives
            self._on_error(error)
            return _finish(handle, handle.abort, f"the model failed: {error!r}; the node's log says where")
        if answer is None:
            return _finish(handle, handle.canceled, "it was cancelled")
        result = Perceive.Result(success=True, perception=perception_message(answer))
        handle.succeed()
        return result

    def _submit(self, goal: Perceive.Goal) -> Ticket[Frame]:
        """Put a goal in the worker's line."""
        request = self._request_of(goal)
        frame = None
        if goal.image.width:
            frame = Frame(message=goal.image, compressed=False, arrived=time.monotonic())
        ticket = self._worker.submit(request, frame=frame)
        if ticket is None:
            raise InstructSeqError(f"{MAX_GOALS} goals wait already: send this one again when one of them is done")
        return ticket

    def _follow(self, ticket: Ticket[Frame], handle: ServerGoalHandle[Any, Any, Any]) -> bool:
        """Send feedback until the goal is done. False if it was cancelled; the model breaks off by itself."""
        start = time.monotonic()
        sent, sent_at = "", start
        while not ticket.future.done():
            now = time.monotonic()
            if handle.is_cancel_requested:
                self._worker.withdraw(ticket)
                return False
            if ticket.stage != sent or now - sent_at > FEEDBACK_SECONDS:
                handle.publish_feedback(Perceive.Feedback(stage=ticket.stage, progress=float(ticket.progress)))
                sent, sent_at = ticket.stage, now
            is_late = ticket.stage == "waiting" and ticket.frame is None and now - start > self._wait_seconds()
            if is_late and self._worker.withdraw(ticket):
                raise InstructSeqError(
                    f"no frame came on {self._node.resolve_topic_name('image')} within {self._wait_seconds():g} "
                    "seconds: check the camera and the remapping, or send an image with the goal"
                )
            time.sleep(POLL_SECONDS)
        return True


def _finish(handle: ServerGoalHandle[Any, Any, Any], end: Callable[[], None], message: str) -> Perceive.Result:
    """Bring the goal to its end and say why there is no answer."""
    if handle.is_active:
        (handle.canceled if handle.is_cancel_requested else end)()
    return Perceive.Result(success=False, message=message)
