"""ROS 2 for the commands that talk to it: a clear word where it is not set up, and a publisher of instructions."""

from __future__ import annotations

import importlib
import time
from types import TracebackType
from typing import Any

from instructseq_model.errors import InstructSeqError

POLL_SECONDS = 0.05


class RosError(InstructSeqError):
    """ROS 2 is not set up in this shell, or nobody listens."""


def require_ros(*modules: str) -> None:
    """Check that the named modules import.

    Raises:
        RosError: one does not; the message says how to set up the shell.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise RosError(
                f"ROS 2 is not set up in this shell ({error}): run `. scripts/env.sh` in the repository, "
                "or source your workspace's install/setup.bash, and try again"
            ) from None


class InstructionPublisher:
    """Publishes instructions on one topic; a context manager, so that ROS 2 is shut down in order.

    Args:
        topic: name of the topic.
        wait_seconds: how long to wait for a listener.

    Raises:
        RosError: ROS 2 is not set up, or the topic's name is not a valid one.
    """

    def __init__(self, *, topic: str, wait_seconds: float) -> None:
        require_ros("rclpy", "std_msgs.msg")
        import rclpy
        from rclpy.exceptions import InvalidTopicNameException
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from std_msgs.msg import String

        self._topic = topic
        self._wait_seconds = wait_seconds
        self._message_type = String
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node("instructseq_say", context=self._context)
        quality = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        try:
            self._publisher: Any = self._node.create_publisher(String, topic, quality)
        except InvalidTopicNameException as error:
            self._close()
            raise RosError(f"{topic!r} is not a name for a topic ({error}): use letters, digits, _ and /") from None

    def __enter__(self) -> InstructionPublisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        self._node.destroy_node()
        self._context.try_shutdown()

    def wait_for_listener(self) -> int:
        """Wait until somebody listens; returns how many do.

        Raises:
            RosError: nobody does within the time.
        """
        end = time.monotonic() + self._wait_seconds
        while (count := self._publisher.get_subscription_count()) == 0:
            if time.monotonic() > end:
                raise RosError(
                    f"nobody listens on {self._publisher.topic_name}: start `instructseq node` in another shell, "
                    "or name the right topic with --topic; both shells need the same ROS_DOMAIN_ID"
                )
            time.sleep(POLL_SECONDS)
        return int(count)

    def say(self, text: str) -> None:
        """Publish one instruction and wait until every listener has it; the empty text stops the standing one."""
        from rclpy.duration import Duration

        self._publisher.publish(self._message_type(data=text))
        if not self._publisher.wait_for_all_acked(Duration(seconds=self._wait_seconds)):
            raise RosError(f"a listener on {self._publisher.topic_name} did not confirm: is its node still running?")
