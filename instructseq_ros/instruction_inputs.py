"""The topics that instructions come on: `instruction` for one in plain text, `instructions` for any number."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import copy

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.subscription import Subscription
from std_msgs.msg import String

from instructseq.msg import Instruction
from instructseq_model.errors import InstructionError, InstructSeqError
from instructseq_ros.cameras import NANOSECONDS, qos_overrides
from instructseq_ros.inference import check_sampling
from instructseq_ros.instruction_text import clean_instruction
from instructseq_ros.parameters import OUTPUT_NAMES, Settings
from instructseq_ros.publishing import INSTRUCTIONS_IN
from instructseq_ros.standing import MOST_PRIORITY, Standing, StandingInstructions, check_id


class InstructionInputs:
    """Subscriptions that let instructions stand.

    Args:
        node: the node that owns them.
        standing: where they stand.
        settings: asked for the node's parameters.
        now: seconds of the clock that instructions expire by.
        next_number: counts instructions.
        on_error: told why one is refused.
    """

    def __init__(
        self,
        node: Node,
        standing: StandingInstructions,
        *,
        settings: Callable[[], Settings],
        now: Callable[[], float],
        next_number: Callable[[], int],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._node, self._standing, self._settings, self._now = node, standing, settings, now
        self._next_number, self._on_error = next_number, on_error
        group = MutuallyExclusiveCallbackGroup()
        self._subscriptions: list[Subscription[String] | Subscription[Instruction]] = [
            node.create_subscription(
                kind,
                topic,
                callback,
                copy(INSTRUCTIONS_IN),  # overrides are written into the profile that is given
                callback_group=group,
                qos_overriding_options=qos_overrides(),
            )
            for kind, topic, callback in (
                (String, "instruction", self._text_came),
                (Instruction, "instructions", self._instruction_came),
            )
        ]

    def close(self) -> None:
        """Take the subscriptions away."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def put(self, text: str) -> None:
        """Let the nameless instruction stand in the place of the last one; an empty text ends it.

        Raises:
            InstructSeqError: the text is none, or too many instructions stand.
        """
        self._put(Instruction(text=text))

    def _text_came(self, message: String) -> None:
        self._take(Instruction(text=message.data))

    def _instruction_came(self, message: Instruction) -> None:
        self._take(message)

    def _take(self, message: Instruction) -> None:
        try:
            self._put(message)
        except InstructSeqError as error:
            self._on_error(error)

    def _put(self, message: Instruction) -> None:
        settings = self._settings()
        lifetime = message.expiry.sec + message.expiry.nanosec / NANOSECONDS
        now = self._now()
        self._standing.expire(now)
        self._standing.put(
            Standing(
                id=check_id(message.id, taken=(*settings.cameras, *OUTPUT_NAMES)),
                text=clean_instruction(message.text),
                cameras=_known(tuple(message.cameras), settings.cameras),
                samples=message.samples,
                temperature=float(message.temperature),
                priority=_checked(message).priority,
                number=self._next_number(),
                since=time.monotonic(),
                expires=now + lifetime if lifetime else None,
            ),
            most=settings.max_instructions,
        )


def _checked(message: Instruction) -> Instruction:
    check_sampling(message.samples, message.temperature)
    if message.priority > MOST_PRIORITY:
        raise InstructionError(f"priority must be between 0 and {MOST_PRIORITY}, got {message.priority}")
    if message.expiry.sec < 0:
        raise InstructionError(f"expiry must be 0 or more seconds, got {message.expiry.sec}")
    return message


def _known(cameras: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in cameras if name not in known]
    if unknown:
        names = ", ".join(repr(name) for name in known)
        raise InstructionError(f"there is no camera {unknown[0]!r}: this node's parameter cameras has {names}")
    return cameras
