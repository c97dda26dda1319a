"""The node's states over DDS: transitions, what makes them fail, and what diagnostics say of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

from instructseq.msg import Perception
from instructseq_model.errors import CheckpointError, DeviceLostError
from instructseq_ros.parameters import Settings

from .observing import eventually, scene, status

MakeRobot = Callable[..., Any]


def test_lifecycle_by_hand(make_robot: MakeRobot, perceiver: Any) -> None:
    robot = make_robot(active=False, autostart=False, instruction="mark the red square", diagnostics_period=0.1)
    robot.listen_to_all()
    masks = robot.received["/instructseq/mask"]
    assert robot.state() == "unconfigured"
    assert robot.set_parameters(device="cuda:1")[0].successful
    assert robot.change_state("configure")
    assert robot.state() == "inactive"
    assert status(robot)["message"] == "the node is inactive"
    assert robot.change_state("activate")
    robot.wait_until_active()
    assert eventually(lambda: robot.node.count_subscribers("/instructseq/mask"))
    robot.show(scene(), stamp=1)
    assert eventually(lambda: len(masks) == 1)
    assert robot.change_state("deactivate")
    assert eventually(lambda: robot.images.get_subscription_count() == 0)
    assert robot.change_state("activate")
    robot.wait_until_active()
    robot.show(scene(), stamp=2)
    assert eventually(lambda: len(masks) == 2)
    assert robot.change_state("deactivate")
    assert robot.change_state("cleanup")
    assert robot.state() == "unconfigured"
    assert robot.change_state("configure")
    assert robot.change_state("activate")
    robot.wait_until_active()
    robot.show(scene(), stamp=3)
    assert eventually(lambda: len(masks) == 3)
    assert robot.change_state("shutdown")
    assert robot.state() == "finalized"


def test_model_that_cannot_be_loaded_leaves_the_node_unconfigured_and_says_why(make_robot: MakeRobot) -> None:
    attempts: list[str] = []

    def load(settings: Settings) -> Any:
        attempts.append(settings.checkpoint)
        if settings.checkpoint == "broken":
            raise CheckpointError("model.safetensors is damaged: fetch it again")
        raise OSError("disk on fire")

    robot = make_robot(load, active=False, checkpoint="broken", diagnostics_period=0.1)
    assert eventually(lambda: "model.safetensors is damaged: fetch it again" in status(robot)["message"])
    assert status(robot)["level"] == "2"
    assert robot.state() == "unconfigured"
    assert robot.set_parameters(checkpoint="other")[0].successful
    assert not robot.change_state("configure")
    assert "disk on fire" in status(robot)["message"]
    assert attempts == ["broken", "other"]


@pytest.mark.parametrize(
    ("place", "words", "state"),
    [("_open_topics", "the node cannot be configured", "unconfigured"), ("_subscribe_to_images", "images", "inactive")],
)
def test_transition_that_fails_says_why_and_can_be_tried_again(
    make_robot: MakeRobot, monkeypatch: pytest.MonkeyPatch, place: str, words: str, state: str
) -> None:
    from instructseq_ros.node import InstructSeqNode

    def fail(node: InstructSeqNode) -> None:
        raise OSError("no shared memory left")

    with monkeypatch.context() as patch:
        patch.setattr(InstructSeqNode, place, fail)
        robot = make_robot(active=False, diagnostics_period=0.1)
        assert eventually(lambda: "no shared memory left" in status(robot)["message"])
        assert words in status(robot)["message"]
        assert robot.state() == state
    if state == "unconfigured":
        assert robot.change_state("configure")
    assert robot.change_state("activate")
    assert eventually(lambda: status(robot)["level"] != "2")


def test_diagnostics_tell_what_is_going_on(make_robot: MakeRobot) -> None:
    robot = make_robot(diagnostics_period=0.1)
    assert eventually(lambda: status(robot)["message"] == "waiting for an instruction")
    robot.say("mark the red square")
    assert eventually(lambda: "no frames come on /image" in status(robot)["message"])
    robot.show(scene())
    assert eventually(lambda: status(robot)["answers"] == "1")
    newest = status(robot)
    assert newest["message"] == "carrying out: mark the red square"
    assert (newest["level"], newest["state"], newest["frames received"]) == ("0", "active", "1")
    assert 0 < float(newest["latency p50 ms"]) < 10_000
    assert newest["backend"] == "torch on cpu"


def test_lost_device_is_replaced_and_said_so_and_the_frame_is_answered(make_robot: MakeRobot, perceiver: Any) -> None:
    class Lost:
        def batch(self, *_: Any, **__: Any) -> Any:
            raise DeviceLostError("the device cuda:0 was lost (CUDA error: unspecified launch failure)")

        def forget(self) -> None: ...

    def load(settings: Settings) -> Any:
        return Lost() if settings.device == "cuda:0" else perceiver

    robot = make_robot(load, device="cuda:0", instruction="describe it", diagnostics_period=0.1)
    robot.listen_to_all()
    robot.show(scene(), stamp=7)
    assert eventually(lambda: robot.received["/instructseq/perception"])
    assert robot.received["/instructseq/perception"][0].header.stamp.sec == 7
    assert eventually(lambda: "the model runs on cpu instead" in robot.received["/diagnostics"][-1].status[-1].message)
    device = robot.received["/diagnostics"][-1].status[-1]
    assert (device.level, device.hardware_id) == (b"\x01", "cpu")
    assert robot.change_state("deactivate")
    assert perceiver.forgotten == 1


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_a_hundred_cycles_leave_memory_flat(make_robot: MakeRobot, tmp_path: Path) -> None:
    from instructseq_ros.device_health import device_health
    from instructseq_ros.inference import load_perceiver

    from .test_end_to_end import untrained

    folder = untrained(tmp_path / "small")
    # Without training, what an instruction asks for is any label set; this one the checkpoint has.
    settings = {"checkpoint": str(folder), "instruction": "mark it", "label_set": "household"}
    robot = make_robot(load_perceiver, active=False, autostart=False, **settings)
    answers = robot.listen(Perception, "/instructseq/perception")
    held = []
    for cycle in range(100):
        for label in ("configure", "activate"):
            assert robot.change_state(label)
        robot.wait_until_active()
        assert eventually(lambda: robot.node.count_subscribers("/instructseq/perception"))
        robot.show(scene(), stamp=cycle)
        assert eventually(lambda cycle=cycle: len(answers) == cycle + 1)
        for label in ("deactivate", "cleanup"):
            assert robot.change_state(label)
        held.append(device_health("cpu").memory)
        print(f"cycle {cycle}: {held[-1]:.0f} MB", flush=True)
    assert held[-1] - held[20] < 20, held  # megabytes
