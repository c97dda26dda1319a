"""The listening node over DDS: sound in, instructions and replies out."""

from __future__ import annotations

import array
import os
import threading
import time
from collections import defaultdict

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not sourced: . scripts/env.sh")
pytest.importorskip("pocketsphinx", reason="pip install 'instructseq[speech]'")

from instructseq_speech.attention import Activation, Manners  # noqa: E402
from instructseq_speech.listener import Listener  # noqa: E402
from instructseq_speech.node import AudioTopic, ListenNode  # noqa: E402
from instructseq_speech.recogniser import RATE, Heard  # noqa: E402
from instructseq_speech.utterances import UtteranceCutter  # noqa: E402

INT16 = AudioTopic(type_name="std_msgs/msg/Int16MultiArray", rate=RATE, channels=1)


class Ears:
    """Hears a fixed sentence in everything."""

    def __init__(self, text="find the mug"):
        self.text = text

    def recognise(self, samples):
        if self.text == "fail":
            raise RuntimeError("deaf")
        return Heard(text=self.text, confidence=0.8)


class Room:
    """A listening node, and somebody who talks to it and keeps what it says."""

    def __init__(self, recogniser, source, **manners):
        from rclpy.executors import SingleThreadedExecutor
        from std_msgs.msg import Int16MultiArray, String
        from std_srvs.srv import SetBool

        from instructseq.msg import Heard as HeardMessage

        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=1 + os.getpid() % 101)
        listener = Listener(recogniser, manners=Manners(**manners), cutter=UtteranceCutter())
        self.node = ListenNode(listener, source, context=self.context)
        self.tester = rclpy.create_node("tester", context=self.context)
        self.received = defaultdict(list)
        topics = {
            "/instruction": String,
            "/instructseq_listen/reply": String,
            "/instructseq_listen/heard": HeardMessage,
        }
        for topic, kind in topics.items():
            self.tester.create_subscription(kind, topic, self.received[topic].append, 10)
        self.audio = self.tester.create_publisher(Int16MultiArray, "audio", 10)
        self.button = self.tester.create_client(SetBool, "/instructseq_listen/talk")
        self._message, self._request = Int16MultiArray, SetBool.Request
        self.executor = SingleThreadedExecutor(context=self.context)
        for one in (self.node, self.tester):
            self.executor.add_node(one)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()
        assert eventually(lambda: all(self.node.count_subscribers(topic) for topic in topics))
        assert self.node.wait_for_listeners(60.0)

    def _spin(self):
        while not self._stopped.is_set():
            self.executor.spin_once(timeout_sec=0.05)

    def play(self, samples):
        for at in range(0, len(samples), 8000):
            self.audio.publish(self._message(data=array.array("h", samples[at : at + 8000].tolist())))

    def press(self, on):
        assert self.button.wait_for_service(60.0)
        future = self.button.call_async(self._request(data=on))
        assert eventually(future.done)
        assert future.result().success

    def close(self):
        self.node.stop()
        self._stopped.set()
        self._thread.join()
        self.executor.shutdown()
        self.node.destroy_node()
        self.tester.destroy_node()
        self.context.try_shutdown()


def eventually(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


@pytest.fixture
def make_room(monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    rooms = []

    def make(recogniser, source=INT16, **manners):
        rooms.append(Room(recogniser, source, **manners))
        return rooms[-1]

    yield make
    for room in rooms:
        room.close()


def quiet(seconds):
    return np.random.default_rng(0).normal(0, 20, round(seconds * RATE)).astype(np.int16)


def test_a_spoken_command_on_an_audio_topic_becomes_an_instruction(make_room, say, commands_recogniser):
    room = make_room(commands_recogniser)
    room.node.start()
    assert eventually(lambda: room.audio.get_subscription_count())
    room.play(np.concatenate([quiet(0.5), say("put a box around the teddy bear"), quiet(1.0)]))
    assert eventually(lambda: room.received["/instruction"] and room.received["/instructseq_listen/reply"])
    assert room.received["/instruction"][0].data == "put a box around the teddy bear"
    assert room.received["/instructseq_listen/reply"][0].data == "I heard: put a box around the teddy bear."
    assert eventually(lambda: room.received["/instructseq_listen/heard"])
    heard = room.received["/instructseq_listen/heard"][0]
    assert heard.outcome == heard.OUTCOME_ACCEPTED
    assert heard.confidence > 0.3
    assert heard.speech_seconds > 1
    assert heard.recognition_seconds > 0
    assert heard.header.stamp.sec > 0


def test_the_button_frames_an_utterance(make_room):
    room = make_room(Ears(), activation=Activation.PUSH_TO_TALK)
    room.node.start()
    assert eventually(lambda: room.audio.get_subscription_count())
    room.press(True)
    room.play(quiet(1.0))
    time.sleep(1.0)  # service and topic are not in one order on their way
    room.press(False)
    assert eventually(lambda: room.received["/instruction"])
    assert room.received["/instruction"][0].data == "find the mug"


def test_an_unsure_command_is_asked_back_and_not_obeyed(make_room, say):
    room = make_room(Ears(), FileLike(np.concatenate([say("anything"), quiet(1.0)])), threshold=0.9)
    room.node.start()
    assert eventually(lambda: room.received["/instructseq_listen/reply"])
    assert room.received["/instructseq_listen/reply"][0].data == "Sorry, did you say: find the mug?"
    assert not room.received["/instruction"]


def test_a_recogniser_that_fails_does_not_end_the_listening(make_room, say):
    ears = Ears("fail")
    sound = np.concatenate([say("anything"), quiet(1.0)])
    room = make_room(ears, FileLike(sound, after_first=lambda: setattr(ears, "text", "stop")))
    room.node.start()
    assert eventually(lambda: room.received["/instruction"])
    assert room.received["/instruction"][0].data == ""
    assert room.node.finished.wait(60)


class FileLike:
    """A source that says the same twice."""

    def __init__(self, samples, after_first=lambda: None):
        self._samples, self._after_first = samples, after_first

    def chunks(self):
        yield self._samples
        time.sleep(1.0)
        self._after_first()
        yield self._samples

    def close(self):
        pass
