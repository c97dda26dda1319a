"""The lifecycle node `instructseq`: frames and instructions in; masks, boxes, captions and confidence out.

The executor's threads take messages and answer services; the model runs in the worker's thread, always on the newest
frames. `python -m instructseq_ros.node --ros-args ...` runs it; `composition` puts it beside others in one process.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType, ROSClock
from rclpy.exceptions import InvalidHandle, ParameterException
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from instructseq_model.errors import DeviceLostError, InstructSeqError
from instructseq_ros.answering import Answering, words_of
from instructseq_ros.cameras import NANOSECONDS, Cameras, image_topic
from instructseq_ros.clock_watch import ClockWatch
from instructseq_ros.device_health import device_health
from instructseq_ros.diagnostics import Condition, statuses
from instructseq_ros.event_log import EventLog
from instructseq_ros.freed_memory import HAND_BACK_SECONDS, hand_back_freed_memory
from instructseq_ros.incompatible_ends import IncompatibleEnds
from instructseq_ros.inference import Answer, Frame, PerceiverLike, goal_request, load_perceiver
from instructseq_ros.instruction_inputs import InstructionInputs
from instructseq_ros.metrics import Drop, Metrics
from instructseq_ros.model_keeper import ModelKeeper
from instructseq_ros.parameter_server import ParameterServer
from instructseq_ros.parameter_spec import Value
from instructseq_ros.parameters import Settings
from instructseq_ros.perceive_action import PerceiveAction
from instructseq_ros.publishing import Outputs
from instructseq_ros.spinning import spin_until_stopped
from instructseq_ros.standing import Standing, StandingInstructions
from instructseq_ros.worker import Worker

NODE_NAME = "instructseq"

EXECUTOR_THREADS = 6
"""As many as keep cameras, instructions, services, the action and lifecycle apart."""


class InstructSeqNode(LifecycleNodeMixin, Node):
    """Follows vision instructions on streams of images.

    Args:
        load: makes the model that the settings name; called on every configuration.
        options: passed on to `rclpy.node.Node`; `node_name` among them.

    Raises:
        rclpy.exceptions.ParameterException: a parameter given at start is refused.
    """

    def __init__(self, *, load: Callable[[Settings], PerceiverLike] = load_perceiver, **options: Any) -> None:
        # All that needs no ROS comes first: a node that refuses a parameter is destroyed half made.
        self._active = self._configured = False
        self._failure = ""
        self._accepted = 0
        self._counting = threading.Lock()
        self._outputs: Outputs | None = None
        self._instructions: InstructionInputs | None = None
        self._cameras: Cameras | None = None
        self._action: PerceiveAction | None = None
        self._clock_watch: ClockWatch | None = None
        self._metrics = Metrics()
        self._model = ModelKeeper(load=load, on_lost=self._device_lost)
        self._incompatible = IncompatibleEnds(warn=self._warn)
        self._standing = StandingInstructions(on_change=self._instructions_changed)
        self._answering = Answering(
            model=self._model,
            standing=self._standing,
            settings=lambda: self._table.settings(),
            now=self._now,
            publish=self._publish,
            is_stopping=lambda: not self._active,
            metrics=self._metrics,
            on_error=self._report,
        )
        self._worker: Worker[Frame] = Worker(
            on_turn=self._answering.turn,
            on_part=self._answering.part,
            on_replaced=lambda camera: self._metrics.drop(camera, Drop.REPLACED),
        )
        # Loading the model takes seconds: transitions have a group of their own, so that other services answer.
        self._transitions = MutuallyExclusiveCallbackGroup()
        Node.__init__(self, options.pop("node_name", NODE_NAME), **options)
        LifecycleNodeMixin.__init__(self, callback_group=self._transitions)
        self._table = ParameterServer(
            self, is_configured=lambda: self._configured, on_accepted=self._parameters_changed
        )
        self._log = EventLog(self.get_logger(), period=lambda: self._table.settings().log_period)
        settings = self._table.settings()
        self._action = PerceiveAction(
            self,
            worker=self._worker,
            is_active=lambda: self._active,
            request_of=lambda goal: goal_request(goal, self._next_number(), self._table.settings()),
            settings=self._table.settings,
            topic_of=lambda camera: self._topics()[camera],
            on_error=self._report,
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # A timer of the node's own clock would stand still for an hour when the system's clock is set back by one.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        for period, work in (
            (settings.diagnostics_period, self._diagnose),
            (HAND_BACK_SECONDS, hand_back_freed_memory),
        ):
            self.create_timer(period, work, MutuallyExclusiveCallbackGroup(), clock=steady)
        if settings.autostart:
            self._autostart = self.create_timer(0.0, self._start, self._transitions, clock=steady)
        self._clock_watch = ClockWatch(on_step=self._clock_was_set)

    def stop(self) -> None:
        """Drop what waits and break off the work in hand. The executor can be shut down after this."""
        self._active = False
        if self._clock_watch is not None:
            self._clock_watch.close()
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
        start = time.monotonic()
        try:
            self._model.configure(settings)
            self._open_topics()
            self._configured = True
            if self._instructions is not None and settings.instruction:
                self._instructions.put(settings.instruction)
        except Exception as error:  # rclpy swallows what a transition raises
            self._leave_configured()
            is_explained = isinstance(error, InstructSeqError)
            return self._transition_failed(str(error) if is_explained else f"the node cannot be configured: {error!r}")
        self._failure = ""
        checkpoint = settings.checkpoint or "default"
        self._log.write(
            "info", "configured", checkpoint=checkpoint, device=settings.device, seconds=time.monotonic() - start
        )
        return super().on_configure(state)

    def _open_topics(self) -> None:
        self._accepted = 0
        self._metrics.watch(self._table.settings().cameras)
        self._outputs = Outputs(self, incompatible=self._incompatible)
        self._instructions = InstructionInputs(
            self,
            self._standing,
            settings=self._table.settings,
            now=self._now,
            next_number=self._next_number,
            on_error=self._report,
        )

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take images and answer."""
        try:
            self._model.wake()
            outcome = super().on_activate(state)
            if self._outputs is not None:
                self._outputs.activate()
            # The first frame may come as soon as the subscription is there, and must find everything ready.
            self._active = True
            self._worker.start()
            self._cameras = self._subscribe_to_images()
        except Exception as error:  # rclpy swallows what a transition raises
            self._leave_active()
            return self._transition_failed(f"images cannot be subscribed to: {words_of(error)}")
        self._failure = ""
        self._log.write("info", "activated", images=", ".join(self._cameras.topics))
        return outcome

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take no more images; the work in hand breaks off, and a card's memory goes back."""
        self._leave_active()
        self._model.rest()
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
        self._log.write("error", "transition_failed", reason=message)
        return TransitionCallbackReturn.FAILURE

    def _leave_active(self) -> None:
        self._active = False
        if self._cameras is not None:
            self._cameras.close()
            self._cameras = None
        if self._outputs is not None:
            self._outputs.deactivate()
        self._worker.stop()

    def _leave_configured(self) -> None:
        self._configured = False
        if self._instructions is not None:
            self._instructions.close()
            self._instructions = None
        self._standing.clear()
        if self._outputs is not None:
            self._outputs.destroy()
            self._outputs = None
        self._model.release()

    # Inputs, on the executor's threads

    def _topics(self) -> dict[str, str]:
        """Full names of the image topics, by camera."""
        settings = self._table.settings()
        return {name: image_topic(self, name, transport=settings.image_transport) for name in settings.cameras}

    def _subscribe_to_images(self) -> Cameras:
        settings = self._table.settings()
        return Cameras(
            self,
            settings.cameras,
            transport=settings.image_transport,
            most_late=lambda: float(self.get_parameter("most_late").value),
            offer=self._worker.offer,
            metrics=self._metrics,
            warn=self._warn,
            incompatible=self._incompatible,
        )

    def _parameters_changed(self, values: dict[str, Value]) -> None:
        if "instruction" not in values or self._instructions is None:
            return
        try:
            self._instructions.put(str(values["instruction"]))
        except InstructSeqError as error:
            self._report(error)

    def _instructions_changed(self, instructions: Sequence[Standing]) -> None:
        """Have topics for all that stand before the first answer to it."""
        if self._outputs is not None:
            cameras = self._table.settings().cameras
            self._outputs.serve((name, one.id) for one in instructions for name in cameras if one.watches(name))
        self._worker.stand(instructions)

    def _next_number(self) -> int:
        with self._counting:
            self._accepted += 1
            return self._accepted

    def _now(self) -> float:
        """Seconds of the clock that instructions expire by: the simulation's, or one that nobody sets."""
        clock = self.get_clock()
        if isinstance(clock, ROSClock) and clock.ros_time_is_active:
            return float(clock.now().nanoseconds) / NANOSECONDS
        return time.monotonic()

    # Outputs and reports, on any thread

    def _publish(self, answer: Answer, settings: Settings) -> None:
        if self._outputs is not None:
            self._outputs.publish(answer, settings)

    def _report(self, error: Exception) -> None:
        """Count an error, and log it unless one was logged just now."""
        words = words_of(error)
        self._metrics.error(words)
        self._log.write("error", "failed", kind=type(error).__name__, reason=words)

    def _warn(self, event: str, **facts: object) -> None:
        self._log.write("warning", event, **facts)

    def _device_lost(self, error: DeviceLostError, fallback: str | None) -> None:
        self._metrics.error(str(error))
        self._log.write("error", "device_lost", reason=str(error), fallback=fallback or "none")

    def _clock_was_set(self, seconds: float) -> None:
        executor = self.executor
        if executor is not None:
            with suppress(InvalidHandle):  # it was just shut down
                executor.wake()
        self._warn("system_clock_set", seconds=seconds)

    def _diagnose(self) -> None:
        self._standing.expire(self._now())
        self._incompatible.tell()
        settings = self._table.settings()
        device = self._model.device
        condition = Condition(
            state="unconfigured" if not self._configured else "active" if self._active else "inactive",
            instructions=self._standing.all(),
            topics=self._topics(),
            failure=self._failure,
            device=device,
            lost=self._model.lost,
        )
        name = self.get_fully_qualified_name().lstrip("/")
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        health = device_health(device or settings.device)
        message.status = statuses(name, self._metrics.snapshot(), condition, settings, health)
        self._diagnostics.publish(message)


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
