"""What the simulation publishes, recorded and replayed: `--truth scene:/truth` finds the truth of every frame."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not sourced: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

from instructseq_model.perception import Perception, Task  # noqa: E402
from instructseq_model.vocabulary import OutputKind  # noqa: E402
from instructseq_replay.bags.bag import open_bag  # noqa: E402
from instructseq_replay.bags.damage import Message  # noqa: E402
from instructseq_replay.bags.types import INTERFACE_PACKAGES, message_types  # noqa: E402
from instructseq_replay.bags.writing import BagWriter  # noqa: E402
from instructseq_replay.engines.local import run_local  # noqa: E402
from instructseq_replay.engines.work import Work  # noqa: E402
from instructseq_replay.frames import frames_of  # noqa: E402
from instructseq_replay.instructions import Instructions  # noqa: E402
from instructseq_replay.run import finish, make_plan  # noqa: E402
from instructseq_replay.run_folder import RunFolder, RunSource  # noqa: E402
from instructseq_replay.truth.table import truth_source  # noqa: E402

PATIENCE = 240.0
FRAMES = 3
PROGRAM = [sys.executable, "-c", "from instructseq_cli.main import app; app()"]
TRUTH = ("/truth/instances", "/truth/classes", "/truth/detections", "/truth/scene")


def kinds():
    from sensor_msgs.msg import Image
    from std_msgs.msg import String
    from vision_msgs.msg import Detection2DArray

    return {
        "/camera/image": (Image, "sensor_msgs/msg/Image"),
        "/truth/instances": (Image, "sensor_msgs/msg/Image"),
        "/truth/classes": (Image, "sensor_msgs/msg/Image"),
        "/truth/detections": (Detection2DArray, "vision_msgs/msg/Detection2DArray"),
        "/truth/scene": (String, "std_msgs/msg/String"),
    }


class Recorder:
    """Records the simulation's topics as `ros2 bag record` does: bytes as they come, at the time at which they come."""

    def __init__(self, domain):
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.qos import QoSProfile

        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("recorder", context=self.context)
        self.messages = []
        for topic, (kind, name) in kinds().items():
            self.node.create_subscription(kind, topic, self.keep(topic, name), QoSProfile(depth=50), raw=True)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def keep(self, topic, name):
        def came(data):
            self.messages.append(Message(topic=topic, type_name=name, log_ns=time.time_ns(), data=bytes(data)))

        return came

    def count(self):
        """Messages of the topic that has fewest."""
        return min(sum(message.topic == topic for message in self.messages) for topic in kinds())

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture(scope="module")
def bag(opengl, shapes_folder, tmp_path_factory):
    """A few frames of a scene that stands still."""
    folder = tmp_path_factory.mktemp("recorded")
    domain = 1 + os.getpid() % 101
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    options = ["--width", "160", "--height", "120", "--seed", "1", "--rate", "2", "--move-every", "0", "--swing", "0"]
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    recorder = Recorder(domain)
    with (folder / "sim.log").open("wb") as log:
        command = [*PROGRAM, "sim", *options, "--assets", str(shapes_folder)]
        simulation = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        end = time.monotonic() + PATIENCE
        while recorder.count() < FRAMES + 1 and time.monotonic() < end:
            recorder.executor.spin_once(timeout_sec=0.1)
            assert simulation.poll() is None, (folder / "sim.log").read_text()
    finally:
        recorder.close()
        simulation.send_signal(signal.SIGINT)
        simulation.wait(60)
    with BagWriter(folder / "sim", types=message_types(*INTERFACE_PACKAGES), compress=False) as writer:
        for message in recorder.messages:
            writer.write(message)
    return folder / "sim"


@pytest.fixture(scope="module")
def scene(bag):
    """Objects by name, as the simulation described its last frame, and the pixels of each."""
    types = message_types(*INTERFACE_PACKAGES)
    last = {message.topic: message for message in open_bag(bag).messages(TRUTH)}
    read = {topic: types.deserialize_cdr(message.data, message.type_name) for topic, message in last.items()}
    ids = np.asarray(read["/truth/instances"].data).reshape(120, 160)
    objects = json.loads(read["/truth/scene"].data)["objects"]
    sizes = {one["name"]: int((ids == one["index"]).sum()) for one in objects}
    classes = np.asarray(read["/truth/classes"].data).reshape(120, 160)
    return {one["name"]: ids == one["index"] for one in objects if sizes[one["name"]] > 40}, objects, classes


def asked_of(name):
    return Instructions.model_validate(
        {
            "cameras": ["/camera/image"],
            "instructions": [
                {"id": "whole", "say": "mark it", "meant": "segmentation", "targets": [name]},
                {"id": "half", "say": "mark half of it", "meant": "segmentation", "targets": [name]},
                {"id": "classes", "say": "all classes", "meant": "semantic", "label_set": "household"},
                {"id": "words", "say": "describe it", "meant": "caption"},
            ],
        }
    )


def oracle(name, scene):
    """Answers with the simulation's own truth, or with the upper half of it."""
    from instructseq_model.label_sets import label_set

    masks, objects, classes = scene
    rows = np.flatnonzero(masks[name].any(1))
    cells = np.argwhere(masks[name])
    half = np.zeros_like(masks[name])
    half[tuple(cells[: len(cells) // 2].T)] = True
    assert rows.size

    def answer(image, asked, seed):
        common = {"size_wh": (160, 120), "score": 0.5}
        confidence = np.ones((120, 160), np.float32)
        found = []
        for one in asked:
            given = {**common, "instruction": one.say}
            if one.id == "words":
                caption = "there is a " + objects[0]["name"]
                found.append(Perception(kind=OutputKind.TEXT, task=Task.CAPTION, caption=caption, **given))
                continue
            task = Task.SEMANTIC if one.id == "classes" else Task.SEGMENTATION
            mask = {"whole": masks[name], "half": half, "classes": classes}[one.id].astype(np.uint8)
            found.append(
                Perception(
                    kind=OutputKind.MAP,
                    task=task,
                    mask=mask,
                    label_set=label_set("household") if one.id == "classes" else None,
                    confidence=confidence,
                    **given,
                )
            )
        return found

    return lambda: answer


def test_truth_of_the_simulation_scores_every_frame(bag, scene, tmp_path):
    name = max(scene[0], key=lambda one: scene[0][one].sum())
    asked = asked_of(name)
    plan, folder = make_plan([bag], asked, truth_source("scene:/truth")), RunFolder(tmp_path / "out")
    folder.claim(RunSource.of(dict(plan.bags), asked, model="oracle", way="offline", threads=1, device="cpu"))
    work = Work(
        recordings=plan.recordings,
        instructions=asked,
        load_model=oracle(name, scene),
        journals=folder.journals,
        workers=1,
    )
    run_local(work, lambda count, before: None)
    outcome = finish(plan, folder, way="offline", against=None, step=lambda line: None)
    frames = sum(1 for _ in frames_of(open_bag(bag), ["/camera/image"]))
    assert frames >= FRAMES
    scores = {one: found["scores"] for one, found in outcome.summary["instructions"].items()}
    half = scene[0][name].sum() // 2 / scene[0][name].sum()
    assert scores["whole"]["overall_iou"]["value"] == 1.0
    assert scores["half"]["overall_iou"]["value"] == pytest.approx(half)
    assert scores["classes"]["mean_iou"]["value"] == 1.0
    quality = [answer.quality for answer in outcome.answers if answer.instruction in ("whole", "words")]
    assert len(quality) == 2 * frames
    assert None not in quality
    assert outcome.complete


@pytest.mark.nightly
def test_the_command_scores_the_shipped_checkpoint_on_a_recorded_simulation(bag, scene, tmp_path):
    name = max(scene[0], key=lambda one: scene[0][one].sum())
    content = asked_of(name).model_dump(mode="json")
    content["instructions"] = content["instructions"][:1] + content["instructions"][2:3]
    content["instructions"][0]["say"] = f"mark the {name} in green"
    file = tmp_path / "ask.yaml"
    file.write_text(yaml.safe_dump(content))
    arguments = [
        "replay",
        str(bag),
        "--instructions",
        str(file),
        "--truth",
        "scene:/truth",
        "--out",
        str(tmp_path / "o"),
    ]
    run = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    summary = json.loads((tmp_path / "o" / "summary.json").read_text())
    for found in summary["instructions"].values():
        values = [score["value"] for score in found["scores"].values() if score["value"] is not None]
        assert values
        assert all(0 <= value <= 1 for value in values)
    assert (tmp_path / "o" / "report.html").is_file()
