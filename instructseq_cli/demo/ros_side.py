"""The demo's two ends of DDS: a camera that publishes frames in time, and a listener that keeps every answer."""

from __future__ import annotations

import array
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from instructseq_cli.demo.frames import Frame
from instructseq_replay.bags.damage import Message
from instructseq_replay.bags.writing import BagWriter

NODE_NAME = "instructseq"
INSTRUCTION_TOPIC = "/instruction"
CAMERA_TOPIC = "/camera/image"
CAMERA_FRAME = "camera_optical_frame"


@dataclass
class Arrival:
    """A perception message with the time at which it arrived, nanoseconds since 1970."""

    message: Any
    arrived_ns: int


@dataclass
class Sent:
    """A frame that was sent, and when, nanoseconds since 1970."""

    frame: Frame
    sent_ns: int


@dataclass
class Tally:
    """What went over the wire: frames and confidence images by stamp, messages by output, and the perceptions."""

    sent: dict[tuple[int, int], Sent] = field(default_factory=dict)
    received: Counter[str] = field(default_factory=Counter)
    arrivals: list[Arrival] = field(default_factory=list)
    confidences: dict[tuple[int, int], Any] = field(default_factory=dict)


class RosSide:
    """Publishes pictures and instructions, records what the node answers.

    Args:
        node: an rclpy node.
        recorder: where every message is written.
    """

    def __init__(self, node: Any, recorder: BagWriter) -> None:
        from rclpy.qos import QoSPresetProfiles, QoSProfile
        from sensor_msgs.msg import CompressedImage, Image
        from std_msgs.msg import String
        from vision_msgs.msg import Detection2DArray, LabelInfo

        from instructseq.msg import Perception

        self.tally = Tally()
        self._node = node
        self._recorder = recorder
        self._image_type, self._text_type = CompressedImage, String
        self._camera = node.create_publisher(
            CompressedImage, f"{CAMERA_TOPIC}/compressed", QoSPresetProfiles.SENSOR_DATA.value
        )
        self._speaker = node.create_publisher(String, INSTRUCTION_TOPIC, QoSProfile(depth=10))
        outputs = {
            "perception": Perception,
            "mask": Image,
            "confidence": Image,
            "detections": Detection2DArray,
            "caption": String,
            "label_info": LabelInfo,
        }
        for name, message_type in outputs.items():
            self._listen(name, message_type)

    def _listen(self, name: str, message_type: Any) -> None:
        """Subscribe to one output, unparsed: the bag takes the bytes as they are."""
        from rclpy.qos import DurabilityPolicy, QoSProfile

        latched = name == "label_info"
        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        topic = f"/{NODE_NAME}/{name}"
        type_name = f"{message_type.__module__.split('.')[0]}/msg/{message_type.__name__}"
        self._node.create_subscription(
            message_type,
            topic,
            self._keeper(name, topic, type_name, message_type),
            QoSProfile(depth=20, durability=durability),
            raw=True,
        )

    def _keeper(self, name: str, topic: str, type_name: str, message_type: Any) -> Callable[[bytes], None]:
        from rclpy.serialization import deserialize_message

        def keep(data: bytes) -> None:
            now = time.time_ns()
            self.tally.received[name] += 1
            self._recorder.write(Message(topic=topic, type_name=type_name, log_ns=now, data=data))
            if name == "perception":
                message = deserialize_message(data, message_type)
                self.tally.arrivals.append(Arrival(message=message, arrived_ns=now))
            elif name == "confidence":
                message = deserialize_message(data, message_type)
                self.tally.confidences[message.header.stamp.sec, message.header.stamp.nanosec] = message

        return keep

    def is_heard(self) -> bool:
        """Whether the node listens to the pictures and to the instructions."""
        return self._camera.get_subscription_count() > 0 and self._speaker.get_subscription_count() > 0

    def say(self, text: str) -> None:
        """Publish an instruction."""
        self._publish(self._speaker, self._text_type(data=text), INSTRUCTION_TOPIC, "std_msgs/msg/String")

    def show(self, frame: Frame) -> None:
        """Publish a picture, stamped with the time of now as a camera does."""
        now = time.time_ns()
        message = self._image_type(format="jpeg", data=array.array("B", frame.jpeg))
        message.header.frame_id = CAMERA_FRAME
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 1_000_000_000)
        self.tally.sent[message.header.stamp.sec, message.header.stamp.nanosec] = Sent(frame=frame, sent_ns=now)
        self._publish(self._camera, message, f"{CAMERA_TOPIC}/compressed", "sensor_msgs/msg/CompressedImage")

    def _publish(self, publisher: Any, message: Any, topic: str, type_name: str) -> None:
        from rclpy.serialization import serialize_message

        data = serialize_message(message)
        self._recorder.write(Message(topic=topic, type_name=type_name, log_ns=time.time_ns(), data=data))
        publisher.publish(data)
