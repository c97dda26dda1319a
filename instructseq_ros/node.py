"""The lifecycle node `instructseq`: frames and instructions in; masks, boxes, captions and confidence out.

The executor's threads take messages and answer services; the model runs in the worker's thread, always on the newest
frame. `python -m instructseq_ros.node --ros-args ...` runs it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from instructseq_model.errors import InstructSeqError
from instructseq_ros.diagnostics import Condition, status_message
from instructseq_ros.inference import (
    Answer,
    Frame,
    PerceiverLike,
    Report,
    Request,
    carry_out,
    goal_request,
    load_perceiver,
    standing_request,
)
from instructseq_ros.instruction_text import clean_instruction
from instructseq_ros.metrics import Metrics
from instructseq_ros.parameter_server import ParameterServer
from instructseq_ros.parameters import Settings, Value
from instructseq_ros.perceive_action import PerceiveAction
from instructseq_ros.publishing import FRAMES_IN, INSTRUCTIONS_IN, Outputs
from instructseq_ros.spinning import spin_until_stopped
from instructseq_ros.worker import MAX_GOALS, Abandoned, Ticket, Worker

NODE_NAME = "instructseq"

EXECUTOR_THREADS = MAX_GOALS + 4
"""One for every goal in progress, and as many as keep topics, services and lifecycle apart."""

THROTTLE_SECONDS = 5.0
"""The log repeats an error no more often than this."""


@dataclass(frozen=True)
class Standing:
    """The standing instruction.

    Attributes:
        number: counts instructions, from 1.
        since: seconds of the monotonic clock.
    """

    text: str
    number: int
    since: float


class InstructSeqNode(LifecycleNodeMixin, Node):
    """Follows vision instructions on a stream of images.

    Args:
        load: makes the model that the settings name; called on every configuration.
        options: passed on to `rclpy.node.Node`.

    Raises:
        rclpy.exceptions.ParameterException: a parameter given at start is refused.
    """

    def __init__(self, *, load: Callable[[Settings], PerceiverLike] = load_perceiver, **options: Any) -> None:
        # All that needs no ROS comes first: a node that refuses a parameter is destroyed half made.
        self._load = load
        self._perceiver: PerceiverLike | None = None
        self._active = False
        self._failure = ""
        self._standing: Standing | None = None
        self._instructions = 0
        self._outputs: Outputs | None = None
        self._instruction_input: Subscription[String] | None = None
        self._image_input: Subscription[Any] | None = None
        self._action: PerceiveAction | None = None
        self._metrics = Metrics()
        self._worker: Worker[Frame] = Worker(
            on_frame=self._answer_frame, on_goal=self._answer_goal, on_replaced=self._metrics.replaced
        )
        # Loading the model takes seconds: transitions have a group of their own, so that other services answer.
        self._transitions = MutuallyExclusiveCallbackGroup()
        Node.__init__(self, NODE_NAME, **options)
        LifecycleNodeMixin.__init__(self, callback_group=self._transitions)
        self._table = ParameterServer(
            self, is_configured=lambda: self._perceiver is not None, on_accepted=self._parameters_changed
        )
        settings = self._table.settings()
        self._action = PerceiveAction(
            self,
            worker=self._worker,
            is_active=lambda: self._active,
            request_of=lambda goal: goal_request(goal, self._next_number(), self._table.settings()),
            wait_seconds=lambda: self._table.settings().goal_timeout,
            on_error=self._report,
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(settings.diagnostics_period, self._diagnose, MutuallyExclusiveCallbackGroup())
        if settings.autostart:
            self._autostart = self.create_timer(0.0, self._start, self._transitions)

    def stop(self) -> None:
        """Drop what waits and break off the work in hand. The executor can be shut down after this."""
        self._active = False
        self._worker.stop()

    def destroy_node(self) -> None:
        """Stop the worker and take the node away."""
        self.stop()
        if self._action is not None:
            self._action.destroy()
            self._action = None
        super().destroy_node()

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and open the topics, except for the images."""
        settings = self._table.settings()
        self.get_logger().info(f"loading {settings.checkpoint or 'the default checkpoint'} on {settings.device}")
        start = time.monotonic()
        try:
            self._perceiver = self._load(settings)
            self._open_topics()
            self._set_instruction(settings.instruction)
        except Exception as error:  # rclpy swallows what a transition raises
            self._leave_configured()
            is_explained = isinstance(error, InstructSeqError)
            return self._transition_failed(str(error) if is_explained else f"the node cannot be configured: {error!r}")
        self._failure = ""
        self.get_logger().info(f"the model was loaded in {time.monotonic() - start:.1f} s")
        return super().on_configure(state)

    def _open_topics(self) -> None:
        self._instructions = 0
        self._outputs = Outputs(self)
        self._instruction_input = self.create_subscription(
            String, "instruction", self._instruction_came, INSTRUCTIONS_IN, callback_group=_own_group()
        )

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take images and answer."""
        try:
            outcome = super().on_activate(state)
            # The first frame may come as soon as the subscription is there, and must find everything ready.
            self._active = True
            self._worker.start()
            self._image_input = self._subscribe_to_images()
        except Exception as error:  # rclpy swallows what a transition raises
            self._leave_active()
            return self._transition_failed(f"images cannot be subscribed to: {error!r}")
        self._failure = ""
        self.get_logger().info(f"active: images from {self._image_input.topic_name}")
        return outcome

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take no more images; the work in hand breaks off."""
        self._leave_active()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close the topics and let go of the model."""
        self._leave_configured()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Do both, from any state."""
        self._leave_active()
        self._leave_configured()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to the unconfigured state."""
        self._leave_active()
        self._leave_configured()
        return TransitionCallbackReturn.SUCCESS

    def _start(self) -> None:
        """Configure and activate, once."""
        self._autostart.cancel()
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def _transition_failed(self, message: str) -> TransitionCallbackReturn:
        self._failure = message
        self._metrics.error(message)
        self.get_logger().error(message)
        return TransitionCallbackReturn.FAILURE

    def _leave_active(self) -> None:
        self._active = False
        if self._image_input is not None:
            self.destroy_subscription(self._image_input)
            self._image_input = None
        self._worker.stop()

    def _leave_configured(self) -> None:
        if self._instruction_input is not None:
            self.destroy_subscription(self._instruction_input)
            self._instruction_input = None
        if self._outputs is not None:
            self._outputs.destroy()
            self._outputs = None
        self._perceiver = None
        self._standing = None

    # Inputs, on the executor's threads

    def _image_topic(self) -> str:
        """The topic of the images: image_transport puts compressed ones beside the raw ones."""
        compressed = self._table.settings().image_transport == "compressed"
        return f"{self.resolve_topic_name('image')}/compressed" if compressed else "image"

    def _subscribe_to_images(self) -> Subscription[Any]:
        """Subscribe with the QoS of sensors; `qos_overrides` in a parameter file can ask for another."""
        compressed = self._table.settings().image_transport == "compressed"
        return self.create_subscription(
            CompressedImage if compressed else Image,
            self._image_topic(),
            self._image_came,
            FRAMES_IN,
            callback_group=_own_group(),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _image_came(self, message: Image | CompressedImage) -> None:
        self._metrics.frame()
        compressed = isinstance(message, CompressedImage)
        self._worker.offer(Frame(message=message, compressed=compressed, arrived=time.monotonic()))

    def _instruction_came(self, message: String) -> None:
        try:
            self._set_instruction(message.data)
        except InstructSeqError as error:
            self._report(error)

    def _parameters_changed(self, values: dict[str, Value]) -> None:
        if "instruction" in values and self._perceiver is not None:
            self._set_instruction(str(values["instruction"]))

    def _set_instruction(self, text: str) -> None:
        """Replace the standing instruction; an empty one stops."""
        instruction = clean_instruction(text)
        self._standing = Standing(instruction, self._next_number(), time.monotonic()) if instruction else None
        self._worker.stand(self._standing is not None)

    def _next_number(self) -> int:
        self._instructions += 1
        return self._instructions

    # Work, on the worker's thread

    def _answer_frame(self, frame: Frame) -> None:
        """Carry out the standing instruction on a frame; what goes wrong is reported, and the node lives."""
        standing = self._standing
        if standing is None:
            return
        try:
            settings = self._table.settings()
            request = standing_request(standing.text, standing.number, settings)
            answer = self._carry_out(frame, request, settings, report=lambda *_: self._check_wanted(standing))
            self._check_wanted(standing)
            if self._outputs is not None:
                self._outputs.publish(answer, settings)
            self._metrics.answer(time.monotonic() - max(frame.arrived, standing.since))
        except Abandoned:
            return
        except Exception as error:  # one bad frame must not end the stream
            self._report(error)

    def _check_wanted(self, standing: Standing) -> None:
        """Break off when the instruction was replaced: the answer would pass for one to the new instruction."""
        if standing is not self._standing or not self._active:
            raise Abandoned

    def _answer_goal(self, ticket: Ticket[Frame], frame: Frame) -> Answer:
        request: Request = ticket.request
        answer = self._carry_out(frame, request, self._table.settings(), report=ticket.report)
        self._metrics.answer(time.monotonic() - frame.arrived)
        return answer

    def _carry_out(
        self,
        frame: Frame,
        request: Request,
        settings: Settings,
        *,
        report: Report,
    ) -> Answer:
        if self._perceiver is None:
            raise InstructSeqError("the node is not configured: configure and activate it")
        return carry_out(self._perceiver, frame, request, max_pixels=settings.max_image_pixels, report=report)

    # Reports

    def _report(self, error: Exception) -> None:
        """Count an error, and log it unless one was logged just now."""
        words = str(error) if isinstance(error, InstructSeqError) else f"{type(error).__name__}: {error}"
        self._metrics.error(words)
        self.get_logger().error(words, throttle_duration_sec=THROTTLE_SECONDS)

    def _diagnose(self) -> None:
        standing = self._standing
        condition = Condition(
            state="unconfigured" if self._perceiver is None else "active" if self._active else "inactive",
            instruction=standing.text if standing is not None else "",
            image_topic=self.resolve_topic_name(self._image_topic()),
            failure=self._failure,
        )
        name = self.get_fully_qualified_name().lstrip("/")
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [status_message(name, self._metrics.snapshot(), condition, self._table.settings())]
        self._diagnostics.publish(message)


def _own_group() -> MutuallyExclusiveCallbackGroup:
    return MutuallyExclusiveCallbackGroup()


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM.

    Args:
        args: command line, with everything for ROS after `--ros-args`; None takes the program's own.

    Returns:
        The exit status: 0, or 2 if a parameter was refused.
    """
    # ROS's own handler would shut its context down under the threads that still use it.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = InstructSeqNode()
    except ParameterException as error:
        print(f"{NODE_NAME}: {error}", file=sys.stderr)
        return 2
    else:
        spin_until_stopped(node, threads=EXECUTOR_THREADS, stop=node.stop)
        return 0
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
