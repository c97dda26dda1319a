"""The image topics: one subscription a camera, with sensors' quality of service unless parameters say otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from instructseq_ros.distributions import qos_events
from instructseq_ros.frame_order import FrameOrder, Order
from instructseq_ros.incompatible_ends import IncompatibleEnds
from instructseq_ros.inference import Frame
from instructseq_ros.metrics import Drop, Metrics
from instructseq_ros.qos_report import subscription_report

FRAMES_IN = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Sensor data, of which only the newest waits: hears publishers of either reliability."""

OVERRIDABLE = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)

NANOSECONDS = 1_000_000_000


def qos_overrides() -> QoSOverridingOptions:
    """The policies that the stock parameters `qos_overrides.TOPIC.subscription.POLICY` may set."""
    return QoSOverridingOptions(OVERRIDABLE)


def image_topic(node: Node, camera: str, *, transport: str) -> str:
    """Full name of a camera's topic, remappings applied; compressed images lie beside the raw ones."""
    topic = node.resolve_topic_name(f"{camera}/image" if camera else "image")
    return f"{topic}/compressed" if transport == "compressed" else topic


class Cameras:
    """Subscriptions to all cameras.

    Args:
        node: the node that owns them.
        names: of the cameras.
        transport: raw or compressed.
        most_late: asked for the seconds by which a frame may lie before the newest one and be late.
        offer: takes each frame that is in order.
        metrics: counts the frames.
        warn: told what is wrong with a frame: the kind of event, and facts by name.
        incompatible: told of publishers that cannot be heard.
    """

    def __init__(
        self,
        node: Node,
        names: Sequence[str],
        *,
        transport: str,
        most_late: Callable[[], float],
        offer: Callable[[str, Frame], None],
        metrics: Metrics,
        warn: Callable[..., None],
        incompatible: IncompatibleEnds,
    ) -> None:
        self._node, self._most_late, self._offer = node, most_late, offer
        self._metrics, self._warn, self._incompatible = metrics, warn, incompatible
        self._orders = {name: FrameOrder() for name in names}
        self._subscriptions: list[Subscription[Any]] = []
        for name in names:
            self._subscriptions.append(self._subscribe(name, transport))

    @property
    def topics(self) -> list[str]:
        """Full names of the topics."""
        return [subscription.topic_name for subscription in self._subscriptions]

    def close(self) -> None:
        """Take the subscriptions away."""
        for subscription in self._subscriptions:
            self._incompatible.forget(subscription.topic_name)
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _subscribe(self, camera: str, transport: str) -> Subscription[Any]:
        compressed = transport == "compressed"
        name = f"{camera}/image" if camera else "image"
        topic = image_topic(self._node, camera, transport=transport) if compressed else name
        subscription: Subscription[Any] = self._node.create_subscription(
            CompressedImage if compressed else Image,
            topic,
            lambda message: self._came(camera, message, compressed),
            copy(FRAMES_IN),  # overrides are written into the profile that is given
            callback_group=MutuallyExclusiveCallbackGroup(),
            event_callbacks=qos_events().SubscriptionEventCallbacks(
                incompatible_qos=lambda event: self._found_incompatible(subscription)
            ),
            qos_overriding_options=qos_overrides(),
        )
        return subscription

    def _came(self, camera: str, message: Any, compressed: bool) -> None:
        stamp = message.header.stamp.sec * NANOSECONDS + message.header.stamp.nanosec
        now = self._node.get_clock().now().nanoseconds
        self._metrics.frame(camera, age=(now - stamp) / NANOSECONDS)
        order = self._orders[camera].admit(stamp, most_late=round(self._most_late() * NANOSECONDS))
        if order is Order.LATE:
            self._metrics.drop(camera, Drop.LATE)
            self._warn("frame_late", camera=camera, stamp=stamp / NANOSECONDS)
            return
        if order is Order.RESTART:
            self._warn("clock_restarted", camera=camera, stamp=stamp / NANOSECONDS)
        self._offer(camera, Frame(camera=camera, message=message, compressed=compressed, arrived=time.monotonic()))

    def _found_incompatible(self, subscription: Subscription[Any]) -> None:
        topic, own = subscription.topic_name, subscription.qos_profile
        self._incompatible.note(topic, lambda: subscription_report(self._node, topic, own))
