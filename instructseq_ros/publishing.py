"""The node's output topics: made when it is configured, quiet until it is active."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNodeMixin, LifecyclePublisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray, LabelInfo

from instructseq.msg import Perception as PerceptionMessage
from instructseq_model.overlay import draw_perception
from instructseq_model.vocabulary import OutputKind
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

FRAMES_IN = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Sensor data, of which only the newest waits."""

INSTRUCTIONS_IN = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
ANSWERS_OUT = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
LABELS_OUT = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""Kept for those who subscribe later."""


class Outputs:
    """The publishers of one configured node. Messages that nobody has subscribed to are not even built.

    Args:
        node: the node that owns them.
    """

    def __init__(self, node: LifecycleNodeMixin) -> None:
        self._node = node
        self._mask = self._make(Image, "~/mask")
        self._confidence = self._make(Image, "~/confidence")
        self._detections = self._make(Detection2DArray, "~/detections")
        self._caption = self._make(String, "~/caption")
        self._overlay = self._make(Image, "~/overlay")
        self._perception = self._make(PerceptionMessage, "~/perception")
        self._label_info = self._make(LabelInfo, "~/label_info", LABELS_OUT)
        self._classes: tuple[tuple[int, str], ...] = ()

    def publish(self, answer: Answer, settings: Settings) -> None:
        """Publish what the answer holds, the label info before the first mask that it explains.

        Raises:
            ConfigError: the mask does not fit into the encoding that the settings ask for.
        """
        perception, header = answer.perception, answer.header
        if perception.mask is not None:
            self._explain(class_names(perception), header)
            _send(self._mask, lambda: mask_message(perception, header, encoding=settings.mask_encoding))
        confidence = perception.confidence
        if confidence is not None:
            _send(self._confidence, lambda: image_message(confidence, "32FC1", header))
        if perception.kind is OutputKind.BOXES:
            _send(self._detections, lambda: detections_message(perception, header))
        if perception.kind is OutputKind.TEXT:
            _send(self._caption, lambda: caption_message(perception))
        if settings.publish_overlay:
            _send(self._overlay, lambda: image_message(draw_perception(answer.image, perception), "rgb8", header))
        _send(self._perception, lambda: perception_message(answer))

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in (
            self._mask,
            self._confidence,
            self._detections,
            self._caption,
            self._overlay,
            self._perception,
            self._label_info,
        ):
            self._node.destroy_lifecycle_publisher(publisher)

    def _make(self, kind: Any, topic: str, qos: QoSProfile = ANSWERS_OUT) -> LifecyclePublisher[Any]:
        return self._node.create_lifecycle_publisher(kind, topic, qos)

    def _explain(self, classes: tuple[tuple[int, str], ...], header: Any) -> None:
        """Publish the label info when it changes; it is latched, so that once is enough."""
        if classes != self._classes:
            self._label_info.publish(label_info_message(classes, header))
            self._classes = classes


def _send(publisher: LifecyclePublisher[Any], build: Callable[[], Any]) -> None:
    if publisher.get_subscription_count():
        publisher.publish(build())
