"""A node that answers every image with an empty mask of its size: what DDS and rclpy cost alone.

`python -m instructseq_bench.node.echo --ros-args -r image:=... -r mask:=...`
"""

from __future__ import annotations

import array
import sys

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from instructseq_ros.publishing import ANSWERS_OUT, FRAMES_IN
from instructseq_ros.spinning import spin_until_stopped


class EchoNode(Node):
    """Subscribes to `image` and publishes `mask`, with the quality of service of the node that it stands in for."""

    def __init__(self) -> None:
        super().__init__("echo")
        self._masks = self.create_publisher(Image, "mask", ANSWERS_OUT)
        self.create_subscription(Image, "image", self._answer, FRAMES_IN)

    def _answer(self, image: Image) -> None:
        mask = Image(header=image.header, height=image.height, width=image.width, encoding="mono8", step=image.width)
        mask.data = array.array("B", bytes(image.height * image.width))
        self._masks.publish(mask)


def main(arguments: list[str] | None = None) -> int:
    """Echo until SIGINT or SIGTERM."""
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    try:
        spin_until_stopped(EchoNode(), threads=1, stop=lambda: None)
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
