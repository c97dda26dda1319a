"""The node's output topics: one set for each camera and instruction, quiet until the node is active."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNodeMixin, LifecyclePublisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray, LabelInfo

from instructseq.msg import Perception as PerceptionMessage
from instructseq_model.overlay import draw_perception
from instructseq_model.vocabulary import OutputKind
from instructseq_ros.cameras import FRAMES_IN, OVERRIDABLE
from instructseq_ros.distributions import qos_events
from instructseq_ros.incompatible_ends import IncompatibleEnds
from instructseq_ros.inference import Answer
from instructseq_ros.messages import (
    caption_message,
    class_names,
    detections_message,
    image_message,
    label_info_message,
    mask_message,
    perception_message,
)
from instructseq_ros.parameters import Settings
from instructseq_ros.qos_report import publisher_report

__all__ = ["ANSWERS_OUT", "FRAMES_IN", "INSTRUCTIONS_IN", "LABELS_OUT", "Outputs", "prefix_of"]

INSTRUCTIONS_IN = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
ANSWERS_OUT = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
LABELS_OUT = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""Kept for those who subscribe later."""

STOCK_TOPICS: dict[str, tuple[Any, QoSProfile]] = {
    "mask": (Image, ANSWERS_OUT),
    "confidence": (Image, ANSWERS_OUT),
    "detections": (Detection2DArray, ANSWERS_OUT),
    "caption": (String, ANSWERS_OUT),
    "overlay": (Image, ANSWERS_OUT),
    "label_info": (LabelInfo, LABELS_OUT),
}
"""What each camera and instruction has: type and quality of service by the topic's last part."""

Pair = tuple[str, str]
"""A camera and the id of an instruction, each empty for the nameless one."""


def prefix_of(pair: Pair) -> str:
    """What the topics of a camera and an instruction begin with: ~/CAMERA/ID/, without the parts that are nameless."""
    return "~/" + "".join(f"{part}/" for part in pair if part)


class Outputs:
    """The publishers of one configured node. Messages that nobody has subscribed to are not even built.

    Args:
        node: the node that owns them.
        incompatible: told of subscriptions that cannot hear them.
    """

    def __init__(self, node: LifecycleNodeMixin, *, incompatible: IncompatibleEnds) -> None:
        self._node, self._incompatible = node, incompatible
        self._lock = threading.RLock()
        self._active = False
        self._perception = self._make(PerceptionMessage, "~/perception", ANSWERS_OUT, overridable=True)
        # The plain topics are always there, for the instruction on the topic `instruction` and one nameless camera;
        # their quality of service, overrides included, holds for the topics of all others.
        self._sets: dict[Pair, TopicSet] = {}
        self._profiles = {name: qos for name, (_, qos) in STOCK_TOPICS.items()}
        plain = TopicSet({name: self._stock(name, ("", ""), overridable=True) for name in STOCK_TOPICS})
        self._profiles = plain.profiles()
        self._sets["", ""] = plain

    def serve(self, pairs: Iterable[Pair]) -> None:
        """Have topics for these cameras and instructions, and no longer for others."""
        wanted = {("", ""), *pairs}
        with self._lock:
            for pair in [pair for pair in self._sets if pair not in wanted]:
                self._destroy(self._sets.pop(pair).publishers.values())
            for pair in sorted(wanted - set(self._sets)):
                self._sets[pair] = TopicSet({name: self._stock(name, pair) for name in STOCK_TOPICS})

    def activate(self) -> None:
        """Publish from now on; of those that come later too. The node's own publishers are switched by rclpy."""
        self._active = True

    def deactivate(self) -> None:
        """Publish no longer."""
        self._active = False

    def publish(self, answer: Answer, settings: Settings) -> None:
        """Publish what the answer holds; nothing but ~/perception where the instruction has ended meanwhile.

        Raises:
            ConfigError: the mask does not fit into the encoding that the settings ask for.
        """
        with self._lock:
            topics = self._sets.get((answer.camera, answer.request.standing_id))
            if topics is not None:
                topics.publish(answer, settings)
            _send(self._perception, lambda: perception_message(answer))

    def destroy(self) -> None:
        """Take the topics away."""
        with self._lock:
            for topics in self._sets.values():
                self._destroy(topics.publishers.values())
            self._sets.clear()
            self._destroy([self._perception])

    def _destroy(self, publishers: Iterable[LifecyclePublisher[Any]]) -> None:
        for publisher in publishers:
            self._incompatible.forget(publisher.topic_name)
            self._node.destroy_lifecycle_publisher(publisher)

    def _stock(self, name: str, pair: Pair, *, overridable: bool = False) -> LifecyclePublisher[Any]:
        kind, _ = STOCK_TOPICS[name]
        return self._make(kind, prefix_of(pair) + name, self._profiles[name], overridable=overridable)

    def _make(self, kind: Any, topic: str, qos: QoSProfile, *, overridable: bool) -> LifecyclePublisher[Any]:
        # Overrides are parameters, and parameters stay: only topics that are there from the beginning have them.
        options: dict[str, Any] = {"qos_overriding_options": QoSOverridingOptions(OVERRIDABLE)} if overridable else {}
        made: LifecyclePublisher[Any] = self._node.create_lifecycle_publisher(
            kind,
            topic,
            copy(qos),  # overrides are written into the profile that is given
            event_callbacks=qos_events().PublisherEventCallbacks(
                incompatible_qos=lambda event: self._found_incompatible(made)
            ),
            **options,
        )
        if self._active:
            made.on_activate(None)  # type: ignore[arg-type]  # the state before, which it does not look at
        return made

    def _found_incompatible(self, publisher: LifecyclePublisher[Any]) -> None:
        node: Any = self._node
        topic, own = publisher.topic_name, publisher.qos_profile
        self._incompatible.note(topic, lambda: publisher_report(node, topic, own))


class TopicSet:
    """The topics of one camera and one instruction, by their last parts."""

    def __init__(self, publishers: dict[str, LifecyclePublisher[Any]]) -> None:
        self.publishers = publishers
        self._classes: tuple[tuple[int, str], ...] = ()

    def profiles(self) -> dict[str, QoSProfile]:
        """Their quality of service, overrides included."""
        return {name: publisher.qos_profile for name, publisher in self.publishers.items()}

    def publish(self, answer: Answer, settings: Settings) -> None:
        """Publish what the answer holds, the label info before the first mask that it explains."""
        perception, header = answer.perception, answer.header
        if perception.mask is not None:
            self._explain(class_names(perception), header)
            self._send("mask", lambda: mask_message(perception, header, encoding=settings.mask_encoding))
        confidence = perception.confidence
        if confidence is not None:
            self._send("confidence", lambda: image_message(confidence, "32FC1", header))
        if perception.kind is OutputKind.BOXES:
            named = answer.request.standing_id
            self._send("detections", lambda: detections_message(perception, header, standing_id=named))
        if perception.kind is OutputKind.TEXT:
            self._send("caption", lambda: caption_message(perception))
        if settings.publish_overlay:
            self._send("overlay", lambda: image_message(_drawn(answer), "rgb8", header))

    def _explain(self, classes: tuple[tuple[int, str], ...], header: Any) -> None:
        """Publish the label info when it changes; it is latched, so that once is enough."""
        if classes != self._classes:
            self.publishers["label_info"].publish(label_info_message(classes, header))
            self._classes = classes

    def _send(self, name: str, build: Callable[[], Any]) -> None:
        _send(self.publishers[name], build)


def _drawn(answer: Answer) -> NDArray[np.uint8]:
    return draw_perception(answer.image, answer.perception, seconds=answer.total_seconds)


def _send(publisher: LifecyclePublisher[Any], build: Callable[[], Any]) -> None:
    if publisher.get_subscription_count():
        publisher.publish(build())
