"""A camera's driver that never rests, as a program: frames on a topic at a rate until SIGTERM; prints how many.

python camera.py TOPIC RATE
"""

from __future__ import annotations

import signal
import sys
import time

import numpy as np
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

HEIGHT, WIDTH = 240, 320


def main(topic: str, rate: float) -> None:
    """Publish noise with a red square in it, no two frames alike, stamped with the system's clock."""
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    node = rclpy.create_node(f"camera_{time.monotonic_ns()}")
    publisher = node.create_publisher(Image, topic, qos_profile_sensor_data)
    pixels = np.random.default_rng(time.time_ns()).integers(90, 110, (HEIGHT, WIDTH, 3), np.uint8)
    pixels[80:160, 120:200] = (220, 30, 20)
    message = Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH)
    message.header.frame_id = "camera_optical_frame"
    sent, begin = 0, time.monotonic()
    while not stopping:
        time.sleep(max(0.0, begin + sent / rate - time.monotonic()))
        pixels[0] = np.frombuffer(np.int64(time.monotonic_ns()).tobytes() * (3 * WIDTH // 8), np.uint8).reshape(-1, 3)
        message.data.frombytes(pixels.tobytes())
        del message.data[: -pixels.nbytes]
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        sent += 1
    print(sent)
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
