"""Simulation and node, each in a process of its own, with the shipped checkpoint: a mask for a camera frame.

In one process, Mesa's software renderer and PyTorch's Triton bring two copies of LLVM, and loading the second crashes.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import yaml

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not sourced: . scripts/env.sh")

CONFIG = Path(__file__).parents[2] / "config"
PATIENCE = 240.0
SIZE = (320, 240)
RVIZ_DISPLAYS = {"rviz_default_plugins/Image": "sensor_msgs/msg/Image"}
"""Displays of rviz_default_plugins' plugins_description.xml that are used, and the type of message of each."""

RVIZ_PANELS = {"rviz_common/Displays", "rviz_common/Views", "rviz_common/Tool Properties", "rviz_common/Selection"}
RVIZ_TOOLS = {f"rviz_default_plugins/{name}" for name in ("Interact", "MoveCamera", "Select", "FocusCamera", "Measure")}
RVIZ_VIEWS = {f"rviz_default_plugins/{name}" for name in ("Orbit", "XYOrbit", "FPS", "TopDownOrtho")}
FOXGLOVE_PANELS = {
    "Image",
    "Publish",
    "CallService",
    "Plot",
    "RawMessages",
    "DiagnosticSummary",
    "DiagnosticStatusPanel",
}
MESSAGES = {
    "/instructseq/perception": "instructseq/msg/Perception",
    "/instructseq/detections": "vision_msgs/msg/Detection2DArray",
    "/instructseq_listen/heard": "instructseq/msg/Heard",
}

PROGRAM = [sys.executable, "-c", "from instructseq_cli.main import app; app()"]


@pytest.fixture
def programs(opengl, shapes_folder, tmp_path):
    """Runs `instructseq sim` and `instructseq node`; gives the domain that they share."""
    domain = 1 + os.getpid() % 101
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    size = ["--width", str(SIZE[0]), "--height", str(SIZE[1])]
    simulation = ["sim", "--seed", "1", "--rate", "1", "--move-every", "0", "--assets", str(shapes_folder), *size]
    standing = ["--ros-args", "-p", "instruction:=mark the red cup in green", "-p", "threads:=1"]
    node = ["node", "--image", "/camera/image", "--transport", "compressed", *standing]
    running = []
    for number, arguments in enumerate((simulation, node)):
        with (tmp_path / f"{number}.log").open("wb") as log:
            command = [*PROGRAM, *arguments]
            running.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment))
    yield domain, running, tmp_path
    for process in running:
        process.terminate()
    for process in running:
        assert process.wait(60) == 0


def pixels(message):
    return np.frombuffer(message.data.tobytes(), np.uint8).reshape(message.height, message.width, -1).squeeze()


def stamp(message):
    return message.header.stamp.sec, message.header.stamp.nanosec


class Watcher:
    """Keeps what is published."""

    def __init__(self, domain, topics):
        from rclpy.executors import SingleThreadedExecutor
        from sensor_msgs.msg import Image

        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("tester", context=self.context)
        self.received = defaultdict(list)
        for topic in topics:
            self.node.create_subscription(Image, topic, self.received[topic].append, 50)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self):
        while not self._stopped.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def close(self):
        self._stopped.set()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


def test_the_node_marks_what_the_simulation_shows_and_both_viewers_find_their_topics(programs, monkeypatch):
    domain, running, logs = programs
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    watcher = Watcher(domain, ("/camera/image", "/instructseq/mask", "/instructseq/overlay"))
    received = watcher.received
    try:
        end = time.monotonic() + PATIENCE
        while not (received["/instructseq/mask"] and received["/instructseq/overlay"]) and time.monotonic() < end:
            time.sleep(0.1)
            for process, log in zip(running, ("0.log", "1.log"), strict=True):
                assert process.poll() is None, (logs / log).read_text()
        assert received["/instructseq/mask"], (logs / "1.log").read_text()
        check_answer(received)
        published = dict(watcher.node.get_topic_names_and_types())
        published["/instructseq_listen/heard"] = [
            "instructseq/msg/Heard"
        ]  # of instructseq listen, which does not run here
        for topic, kind in {**rviz_topics(), **foxglove_topics()}.items():
            assert kind in published.get(topic, ()), topic
        services = dict(watcher.node.get_service_names_and_types())
        assert {name: services.get(name) for name in foxglove_services()} == {
            name: ["std_srvs/srv/Trigger"] for name in foxglove_services()
        }
    finally:
        watcher.close()


def check_answer(received):
    mask, overlay = received["/instructseq/mask"][0], received["/instructseq/overlay"][0]
    images = {stamp(image): image for image in received["/camera/image"]}
    assert (mask.width, mask.height, mask.encoding) == (*SIZE, "mono8")
    assert set(np.unique(pixels(mask)).tolist()) <= {0, 255}
    assert mask.header.frame_id == "camera_optical_frame"
    assert stamp(mask) in images
    drawn = np.abs(pixels(overlay).astype(int) - pixels(images[stamp(overlay)])).max(axis=2)
    assert (drawn > 100).sum() > 50  # letters; JPEG alone changes less


def rviz_topics():
    """Topics with the type that their display takes."""
    content = yaml.safe_load((CONFIG / "sim.rviz").read_text(encoding="utf-8"))
    displays = content["Visualization Manager"]["Displays"]
    return {display["Topic"]["Value"]: RVIZ_DISPLAYS[display["Class"]] for display in displays}


def foxglove_panels():
    return json.loads((CONFIG / "foxglove.json").read_text(encoding="utf-8"))["configById"].values()


def foxglove_services():
    return {panel["serviceName"] for panel in foxglove_panels() if "serviceName" in panel}


def message_class(name):
    package, _, kind = name.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), kind)


def foxglove_topics():
    """Topics with the type that their panel takes; of paths into messages, with the one that has the field."""
    kinds = {"imageTopic": "sensor_msgs/msg/Image", "calibrationTopic": "sensor_msgs/msg/CameraInfo"}
    found = {}
    for panel in foxglove_panels():
        found |= {value: kinds[key] for key, value in panel.get("imageMode", {}).items() if key.endswith("Topic")}
        paths = [panel.get("topicPath", ""), *(path["value"] for path in panel.get("paths", ()))]
        found |= {path.partition(".")[0]: MESSAGES[path.partition(".")[0]] for path in paths if path}
        if "topicName" in panel:
            found[panel["topicName"]] = panel["datatype"]
        if "topicToRender" in panel:
            found[panel["topicToRender"]] = "diagnostic_msgs/msg/DiagnosticArray"
    return found


def test_fields_that_foxglove_plots_exist():
    for panel in foxglove_panels():
        for path in [panel.get("topicPath", ""), *(path["value"] for path in panel.get("paths", ()))]:
            topic, _, field = path.partition(".")
            if field:
                assert field.removesuffix("[:]") in message_class(MESSAGES[topic]).get_fields_and_field_types()


@pytest.mark.parametrize("name", ["instructseq.rviz", "sim.rviz"])
def test_rviz_knows_every_class(name):
    content = yaml.safe_load((CONFIG / name).read_text(encoding="utf-8"))
    manager = content["Visualization Manager"]
    assert {panel["Class"] for panel in content["Panels"]} <= RVIZ_PANELS
    assert {display["Class"] for display in manager["Displays"]} <= set(RVIZ_DISPLAYS)
    assert {tool["Class"] for tool in manager.get("Tools", ())} <= RVIZ_TOOLS
    assert manager["Views"]["Current"]["Class"] in RVIZ_VIEWS
    for display in manager["Displays"]:
        qos = display["Topic"]
        assert qos["Reliability Policy"] in ("Reliable", "Best Effort", "System Default")
        assert qos["Durability Policy"] in ("Volatile", "Transient Local", "System Default")
        assert qos["History Policy"] in ("Keep Last", "Keep All", "System Default")
        assert qos["Depth"] > 0
        assert display["Enabled"] in (True, False)
        assert display["Name"]


def test_foxglove_knows_every_panel():
    layout = json.loads((CONFIG / "foxglove.json").read_text(encoding="utf-8"))
    assert {name.partition("!")[0] for name in layout["configById"]} <= FOXGLOVE_PANELS
    for panel in foxglove_panels():
        if "value" in panel and "datatype" in panel:
            assert set(json.loads(panel["value"])) <= set(message_class(panel["datatype"]).get_fields_and_field_types())


def test_every_panel_of_the_foxglove_layout_has_its_place():
    layout = json.loads((CONFIG / "foxglove.json").read_text(encoding="utf-8"))

    def placed(part):
        if isinstance(part, str):
            return [part]
        assert part["direction"] in ("row", "column")
        assert 0 < part["splitPercentage"] < 100
        return placed(part["first"]) + placed(part["second"])

    assert sorted(placed(layout["layout"])) == sorted(layout["configById"])
