"""The simulated camera over DDS."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
import threading
import time
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image as PictureFile

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not sourced: . scripts/env.sh")

from instructseq_sim.node import CameraConfig, SimNode, Window  # noqa: E402

SOON = 120.0
pytestmark = pytest.mark.usefixtures("opengl")


def eventually(condition, seconds=SOON):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


class Stage:
    """A simulation, and somebody who keeps what it publishes."""

    def __init__(self, scene, camera):
        from rclpy.executors import MultiThreadedExecutor

        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=1 + os.getpid() % 101)
        self.tester = rclpy.create_node("tester", context=self.context)
        self.received = defaultdict(list)
        self.sim = SimNode(scene, camera, context=self.context)
        self.nodes = [self.tester, self.sim]
        self.executor = MultiThreadedExecutor(8, context=self.context)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._spin)

    def begin(self):
        for node in self.nodes:
            self.executor.add_node(node)
        self._thread.start()
        self.sim.start()
        assert self.sim.ready.wait(SOON)
        assert self.sim.failure is None

    def _spin(self):
        from instructseq_ros.spinning import spin_once

        while not self._stopped.is_set():
            spin_once(self.executor, 0.05)

    def listen(self, kind, topic, **qos):
        from rclpy.qos import QoSProfile

        self.tester.create_subscription(kind, topic, self.received[topic].append, QoSProfile(depth=20, **qos))

    def call(self, kind, service, request):
        client = self.tester.create_client(kind, service)
        assert client.wait_for_service(SOON)
        future = client.call_async(request)
        assert eventually(future.done)
        return future.result()

    def close(self):
        self.sim.stop()
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self.executor.shutdown()
        for node in self.nodes:
            node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def make_stage(monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    stages = []

    def make(*arguments, **options):
        stages.append(Stage(*arguments, **options))
        return stages[-1]

    yield make
    for stage in stages:
        stage.close()


def pixels(message):
    shape = (message.height, message.width, -1)
    return np.frombuffer(message.data.tobytes(), np.uint8).reshape(shape).squeeze()


def stamp(message):
    return message.header.stamp.sec, message.header.stamp.nanosec


def test_picture_camera_and_truth_come_with_one_stamp_and_agree(make_stage, small):
    from sensor_msgs.msg import CameraInfo, CompressedImage, Image
    from std_msgs.msg import String
    from vision_msgs.msg import Detection2DArray, LabelInfo

    stage = make_stage(small, CameraConfig(rate=5.0))
    kinds = {
        "/camera/image": Image,
        "/camera/image/compressed": CompressedImage,
        "/camera/camera_info": CameraInfo,
        "/truth/instances": Image,
        "/truth/classes": Image,
        "/truth/detections": Detection2DArray,
    }
    for topic, kind in kinds.items():
        stage.listen(kind, topic)
    stage.listen(String, "/truth/scene")
    stage.begin()

    def whole():
        return set.intersection(*({stamp(one) for one in stage.received[topic]} for topic in kinds))

    assert eventually(whole)
    when = min(whole())
    found = {topic: next(one for one in stage.received[topic] if stamp(one) == when) for topic in kinds}
    assert {one.header.frame_id for one in found.values()} == {"camera_optical_frame"}
    image, info = found["/camera/image"], found["/camera/camera_info"]
    assert (image.width, image.height, image.encoding) == (small.width, small.height, "rgb8")
    assert (info.width, info.height) == (small.width, small.height)
    assert info.k[0] == info.k[4] > small.height / 2 / math.tan(math.radians(60) / 2) - 1
    assert (info.k[2], info.k[5]) == (small.width / 2, small.height / 2)
    instances = pixels(found["/truth/instances"])
    assert len(found["/truth/detections"].detections) >= 4
    for detection in found["/truth/detections"].detections:
        rows, columns = np.nonzero(instances == int(detection.id))
        box = detection.bbox
        assert box.center.position.x == (columns.min() + columns.max() + 1) / 2
        assert box.size_y == rows.max() + 1 - rows.min()
        assert detection.results[0].hypothesis.class_id
    decoded = np.asarray(PictureFile.open(io.BytesIO(found["/camera/image/compressed"].data.tobytes())), int)
    assert np.abs(decoded - pixels(image)).mean() < 6
    # Who comes late gets the names of the classes, too.
    from rclpy.qos import DurabilityPolicy

    stage.listen(LabelInfo, "/truth/label_info", durability=DurabilityPolicy.TRANSIENT_LOCAL)
    assert eventually(lambda: stage.received["/truth/label_info"])
    named = {entry.class_id for entry in stage.received["/truth/label_info"][0].class_map}
    assert set(np.unique(pixels(found["/truth/classes"])).tolist()) <= named
    assert eventually(lambda: stage.received["/truth/scene"])
    assert {"name", "class", "box", "colour"} <= set(json.loads(stage.received["/truth/scene"][0].data)["objects"][0])


def test_services_move_shuffle_and_pause_the_scene(make_stage, small):
    from sensor_msgs.msg import Image
    from std_srvs.srv import SetBool, Trigger

    stage = make_stage(dataclasses.replace(small, swing=0.0), CameraConfig(rate=10.0))
    stage.listen(Image, "/truth/instances")
    stage.begin()
    received = stage.received["/truth/instances"]
    assert eventually(lambda: received)
    first = pixels(received[-1])
    moved = stage.call(Trigger, "/instructseq_sim/move", Trigger.Request())
    assert moved.success
    assert moved.message.endswith("moves")
    assert eventually(lambda: (pixels(received[-1]) != first).any())
    assert stage.call(SetBool, "/instructseq_sim/pause", SetBool.Request(data=True)).success
    count = len(received)
    assert eventually(lambda: len(received) > count + 2)
    still = pixels(received[-1])
    count = len(received)
    assert eventually(lambda: len(received) > count + 2)
    np.testing.assert_array_equal(pixels(received[-1]), still)
    shuffled = stage.call(Trigger, "/instructseq_sim/shuffle", Trigger.Request())
    assert shuffled.success
    assert "now there are" in shuffled.message
    count = len(received)
    assert eventually(lambda: len(received) > count + 1)
    assert (pixels(received[-1]) != still).mean() > 0.02


def test_with_a_clock_time_goes_by_frames(make_stage, small):
    from rosgraph_msgs.msg import Clock
    from sensor_msgs.msg import CameraInfo

    seen = []

    class Watched(Window):
        def update(self):
            seen.append(threading.current_thread().name)

    stage = make_stage(small, CameraConfig(rate=4.0, publish_clock=True, window=lambda scene: Watched()))
    stage.listen(Clock, "/clock")
    stage.listen(CameraInfo, "/camera/camera_info")
    stage.begin()
    assert eventually(lambda: len(stage.received["/camera/camera_info"]) >= 3 and len(stage.received["/clock"]) >= 3)
    stamps = [sec + nanosec / 1e9 for sec, nanosec in map(stamp, stage.received["/camera/camera_info"])]
    assert np.diff(stamps)[:2].tolist() == pytest.approx([0.25, 0.25])
    assert stamps[0] < 100
    assert set(seen) == {"instructseq-sim"}


def test_a_scene_that_cannot_be_made_is_told(make_stage, small, tmp_path):
    stage = make_stage(dataclasses.replace(small, assets=tmp_path), CameraConfig())
    stage.sim.start()
    assert stage.sim.ready.wait(SOON)
    assert "sh3f" in str(stage.sim.failure)


@pytest.mark.parametrize("rate", [0.0, 61.0])
def test_a_rate_that_makes_no_sense_is_refused(rate):
    from instructseq_sim.errors import SimError

    with pytest.raises(SimError, match="frames a second"):
        CameraConfig(rate=rate)
