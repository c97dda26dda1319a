"""The node `instructseq_listen`: sound in, instructions out, with what was heard for the robot to repeat."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import String
from std_srvs.srv import SetBool

from instructseq.msg import Heard as HeardMessage
from instructseq_model.errors import InstructSeqError
from instructseq_speech.audio_messages import audio_type, message_samples
from instructseq_speech.listener import Listener, Reception
from instructseq_speech.recogniser import Samples
from instructseq_speech.sources import WAITING_CHUNKS, Source

NODE_NAME = "instructseq_listen"
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
AUDIO_IN = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Sensor data; unlike pictures, none of it may be left out."""

STOP_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class AudioTopic:
    """Sound that comes as ROS messages on the topic `audio`.

    Attributes:
        type_name: one of `audio_messages.AUDIO_TYPES`.
        rate: samples a second.
        channels: interleaved.
    """

    type_name: str
    rate: int
    channels: int


class _Ended:
    """Put into the queue after the last sound."""


_Work = Samples | bool | _Ended
"""Sound, or the talk button pressed or released, in the order in which they came."""


class ListenNode(Node):
    """Listens and publishes instructions.

    Args:
        listener: understands sound.
        source: where sound comes from.
        on_reception: told of every utterance, on the worker's thread.
        options: passed on to `rclpy.node.Node`.

    Raises:
        SpeechError: the type of the audio topic is not known or not installed.
    """

    def __init__(
        self,
        listener: Listener,
        source: Source | AudioTopic,
        *,
        on_reception: Callable[[Reception], None] = lambda reception: None,
        **options: Any,
    ) -> None:
        super().__init__(NODE_NAME, **options)
        self._listener = listener
        self._on_reception = on_reception
        self._waiting: queue.Queue[_Work] = queue.Queue(WAITING_CHUNKS)
        self.finished = threading.Event()
        self._stopping = threading.Event()
        self._instructions = self.create_publisher(String, "instruction", RELIABLE)
        self._heard = self.create_publisher(HeardMessage, "~/heard", RELIABLE)
        self._reply = self.create_publisher(String, "~/reply", RELIABLE)
        self.create_service(SetBool, "~/talk", self._talk)
        self._source = source
        self._threads = [threading.Thread(target=self._work, name="instructseq-listen", daemon=True)]
        if isinstance(source, AudioTopic):
            self._subscribe(source)
        else:
            self._threads.append(threading.Thread(target=self._read, args=(source,), daemon=True))

    def start(self) -> None:
        """Begin to listen. What is said before anybody subscribes to the instructions is lost to them."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads."""
        self._stopping.set()
        if not isinstance(self._source, AudioTopic):
            self._source.close()
        self._put(_Ended())
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def wait_for_listeners(self, seconds: float) -> bool:
        """Wait until somebody subscribes to the instructions; False if nobody does within the time (0: do not wait)."""
        end = time.monotonic() + seconds
        while seconds and not self._instructions.get_subscription_count():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def wait_until_delivered(self, seconds: float) -> None:
        """Wait until all who subscribe have what was published, at most so long."""
        for publisher in (self._instructions, self._heard, self._reply):
            publisher.wait_for_all_acked(Duration(seconds=seconds))

    def _subscribe(self, topic: AudioTopic) -> None:
        message_type, kind = audio_type(topic.type_name)

        def came(message: Any) -> None:
            try:
                samples = message_samples(message, kind, rate=topic.rate, channels=topic.channels)
            except InstructSeqError as error:
                self.get_logger().error(str(error), throttle_duration_sec=5.0)
            else:
                self._put(samples)

        self.create_subscription(message_type, "audio", came, AUDIO_IN)

    def _read(self, source: Source) -> None:
        for samples in source.chunks():
            # A file can wait for the recogniser; a microphone drops what is old by itself.
            while not self._stopping.is_set():
                try:
                    self._waiting.put(samples, timeout=STOP_SECONDS)
                    break
                except queue.Full:
                    continue
        self._put(_Ended())

    def _put(self, work: _Work) -> None:
        """Put into the queue; sound that has waited longest goes when it is full."""
        while True:
            try:
                return self._waiting.put_nowait(work)
            except queue.Full:
                self.get_logger().warning("the recogniser is too slow: sound is dropped", throttle_duration_sec=5.0)
                try:
                    self._waiting.get_nowait()
                except queue.Empty:  # the worker was faster
                    continue

    def _talk(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._put(bool(request.data))
        response.success = True
        response.message = "listening until the button is released" if request.data else "released"
        return response

    def _work(self) -> None:
        while not self._stopping.is_set():
            work = self._waiting.get()
            try:
                receptions = self._take(work)
            except Exception as error:  # one bad utterance must not end the listening
                self.get_logger().error(f"an utterance was not understood: {error!r}", throttle_duration_sec=5.0)
                receptions = []
            for reception in receptions:
                self._publish(reception)
            if isinstance(work, _Ended):
                break
        self.finished.set()

    def _take(self, work: _Work) -> list[Reception]:
        if isinstance(work, _Ended):
            return self._listener.finish()
        if isinstance(work, bool):
            return self._listener.talk(work)
        return self._listener.feed(work)

    def _publish(self, reception: Reception) -> None:
        command = reception.command
        message = HeardMessage(
            text=command.text,
            outcome=command.outcome.value,
            confidence=command.confidence,
            reply=command.reply,
            speech_seconds=reception.speech_seconds,
            recognition_seconds=reception.recognition_seconds,
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._heard.publish(message)
        if command.instruction is not None:
            self._instructions.publish(String(data=command.instruction))
        if command.reply:
            self._reply.publish(String(data=command.reply))
        self._on_reception(reception)
