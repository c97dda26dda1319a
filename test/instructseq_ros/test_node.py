"""The node over DDS with a stand-in for the model: what it answers, what it drops, and what it survives."""

from __future__ import annotations

import array
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

import cv2
from rclpy.qos import DurabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import LabelInfo

from .observing import eventually, pixels, red, scene, status

MakeRobot = Callable[..., Any]


def test_mask_and_confidence_are_the_models_and_carry_the_frames_header(make_robot: MakeRobot) -> None:
    robot = make_robot()
    robot.listen_to_all()
    robot.say("mark the red square")
    source = robot.show(scene(), stamp=42, padding=5)
    assert eventually(lambda: robot.received["/instructseq/perception"])
    mask = robot.received["/instructseq/mask"][0]
    confidence = robot.received["/instructseq/confidence"][0]
    overlay = robot.received["/instructseq/overlay"][0]
    assert mask.encoding == "mono8"
    assert np.array_equal(pixels(mask), red(scene()) * 255)
    assert confidence.encoding == "32FC1"
    assert np.array_equal(pixels(confidence, np.float32), np.where(red(scene()), np.float32(0.9), np.float32(0.1)))
    assert (overlay.encoding, overlay.height, overlay.width) == ("rgb8", 48, 64)
    message = robot.received["/instructseq/perception"][0]
    for answer in (mask, confidence, overlay, message, message.mask, message.confidence):
        assert answer.header == source.header
    assert (message.instruction, message.output_kind, message.task) == ("mark the red square", "map", "segmentation")
    assert (message.instruction_id, message.samples, message.score) == (1, 1, 0.75)
    assert message.decode_seconds == pytest.approx(0.02)
    assert 0 < message.convert_seconds < message.total_seconds
    assert message.mask.data == mask.data
    assert not robot.received["/instructseq/detections"]
    assert not robot.received["/instructseq/caption"]


def test_boxes_are_centre_and_size_in_source_pixels(make_robot: MakeRobot) -> None:
    robot = make_robot()
    robot.listen_to_all()
    robot.say("find the red square")
    source = robot.show(scene())
    assert eventually(lambda: robot.received["/instructseq/detections"])
    answer = robot.received["/instructseq/detections"][0]
    (detection,) = answer.detections
    assert answer.header == source.header
    assert detection.header == source.header
    assert (detection.bbox.center.position.x, detection.bbox.center.position.y) == (30.0, 20.0)
    assert (detection.bbox.size_x, detection.bbox.size_y) == (20.0, 20.0)
    (result,) = detection.results
    assert (result.hypothesis.class_id, result.hypothesis.score) == ("find the red square", 0.5)
    assert not robot.received["/instructseq/mask"]


def test_nothing_found_is_an_answer_too(make_robot: MakeRobot) -> None:
    robot = make_robot(instruction="find the red square")
    robot.listen_to_all()
    robot.show(np.full((48, 64, 3), 100, np.uint8))
    assert eventually(lambda: robot.received["/instructseq/detections"])
    assert len(robot.received["/instructseq/detections"][0].detections) == 0


def test_caption(make_robot: MakeRobot) -> None:
    robot = make_robot()
    robot.listen_to_all()
    robot.say("describe the scene")
    robot.show(scene())
    assert eventually(lambda: robot.received["/instructseq/perception"])
    assert robot.received["/instructseq/caption"][0].data == "400 red pixels"
    message = robot.received["/instructseq/perception"][0]
    assert (message.output_kind, message.caption, message.mask.width) == ("text", "400 red pixels", 0)


def test_semantic_mask_has_class_ids_that_label_info_names_to_late_subscribers(make_robot: MakeRobot) -> None:
    robot = make_robot()
    robot.listen_to_all()
    robot.say("label everything")
    source = robot.show(scene())
    assert eventually(lambda: robot.received["/instructseq/perception"])
    latched = robot.listen(LabelInfo, "/instructseq/label_info", durability=DurabilityPolicy.TRANSIENT_LOCAL)
    assert eventually(lambda: latched)
    names = {item.class_id: item.class_name for item in latched[0].class_map}
    mask = robot.received["/instructseq/mask"][0]
    assert mask.encoding == "8UC1"
    assert names[max(names)] == "unlabelled"
    assert np.array_equal(pixels(mask), np.where(red(scene()), 3, max(names)))
    assert latched[0].header == source.header
    message = robot.received["/instructseq/perception"][0]
    assert [item.class_name for item in message.label_info.class_map] == list(names.values())


def test_label_info_follows_the_kind_of_mask(make_robot: MakeRobot) -> None:
    robot = make_robot(instruction="mark the red square")
    infos = robot.listen(LabelInfo, "/instructseq/label_info", durability=DurabilityPolicy.TRANSIENT_LOCAL)
    robot.show(scene(), stamp=1)
    assert eventually(lambda: len(infos) == 1)
    robot.say("label everything")
    assert eventually(lambda: len(infos) == 2)
    assert [(item.class_id, item.class_name) for item in infos[0].class_map] == [
        (0, "background"),
        (255, "referred object"),
    ]
    assert infos[1].class_map[-1].class_name == "unlabelled"


def test_frames_that_a_newer_one_replaced_are_never_processed(make_robot: MakeRobot, perceiver: Any) -> None:
    robot = make_robot(instruction="mark the red square", diagnostics_period=0.1)
    perceiver.gate.clear()
    robot.show(scene())
    assert perceiver.busy.wait(60)
    for index in range(5):
        image = scene()
        image[0, 0] = 200 + index
        robot.show(image, stamp=2 + index)
        assert eventually(lambda index=index: status(robot)["frames received"] == str(2 + index))
    perceiver.gate.set()
    assert eventually(lambda: len(perceiver.calls) == 2)
    time.sleep(0.1)
    assert [call["first_pixel"] for call in perceiver.calls[1:]] == [(204, 204, 204)]
    assert status(robot)["frames replaced before they were processed"] == "4"


def test_new_instruction_replaces_the_old_one_and_an_empty_one_stops(make_robot: MakeRobot, perceiver: Any) -> None:
    robot = make_robot(diagnostics_period=0.1)
    robot.listen_to_all()
    answers = robot.received["/instructseq/perception"]
    robot.say("mark the red square")
    robot.show(scene(), stamp=1)
    assert eventually(lambda: len(answers) == 1)
    robot.say("  describe it ")
    assert eventually(lambda: len(answers) == 2)
    assert [(answer.instruction, answer.instruction_id) for answer in answers] == [
        ("mark the red square", 1),
        ("describe it", 2),
    ]
    robot.say("  ")
    assert eventually(lambda: status(robot)["instruction"] == "")
    robot.show(scene(), stamp=2)
    assert eventually(lambda: status(robot)["frames received"] == "2")
    assert len(perceiver.calls) == 2


def test_answer_to_an_instruction_that_was_replaced_meanwhile_is_dropped(make_robot: MakeRobot, perceiver: Any) -> None:
    robot = make_robot(instruction="mark the red square", diagnostics_period=0.1)
    robot.listen_to_all()
    perceiver.gate.clear()
    robot.show(scene())
    assert perceiver.busy.wait(60)
    robot.say("describe it")
    assert eventually(lambda: status(robot)["instruction"] == "describe it")
    perceiver.gate.set()
    assert eventually(lambda: robot.received["/instructseq/perception"])
    assert [answer.instruction for answer in robot.received["/instructseq/perception"]] == ["describe it"]
    assert not robot.received["/instructseq/mask"]
    assert perceiver.broken_off == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x00\x01\x00\x00\x09\x00\x00\x00mark \xff\xfe\xfd\x00", "not valid UTF-8"),
        (b"\x00\x01\x00\x00\x11\x27\x00\x00" + b"a" * 10_000 + b"\x00", "10000 characters and at most 1000"),
    ],
    ids=["not UTF-8", "10000 characters"],
)
def test_instruction_that_is_no_text_is_refused_and_the_standing_one_goes_on(
    make_robot: MakeRobot, data: bytes, words: str
) -> None:
    robot = make_robot(instruction="describe it", diagnostics_period=0.1)
    robot.listen_to_all()
    robot.instructions.publish(data)  # a serialised std_msgs/String
    assert eventually(lambda: words in status(robot)["last error"])
    robot.show(scene())
    assert eventually(lambda: robot.received["/instructseq/caption"])


def test_bad_images_are_named_and_the_node_goes_on(make_robot: MakeRobot) -> None:
    robot = make_robot(instruction="describe it", diagnostics_period=0.1)
    robot.listen_to_all()
    for encoding, words in (("nv12", "'nv12' is not known"), ("mono16", "a row has 128")):
        message = Image(height=48, width=64, encoding=encoding, step=3, data=array.array("B", bytes(144)))
        robot.images.publish(message)
        assert eventually(lambda words=words: words in status(robot)["last error"])
    robot.images.publish(Image(encoding="rgb8"))
    assert eventually(lambda: "0x0 and has no pixels" in status(robot)["last error"])
    newest = status(robot)
    assert (newest["level"], newest["errors"]) == ("1", "3")
    robot.show(scene())
    assert eventually(lambda: robot.received["/instructseq/caption"])


def test_failing_model_does_not_end_the_stream(make_robot: MakeRobot) -> None:
    robot = make_robot(instruction="fail", diagnostics_period=0.1)
    robot.listen_to_all()
    robot.show(scene())
    assert eventually(lambda: "RuntimeError: the stand-in fails" in status(robot)["last error"])
    robot.say("describe it")
    assert eventually(lambda: robot.received["/instructseq/caption"])


def test_parameters_answer_and_change_during_inference(make_robot: MakeRobot, perceiver: Any) -> None:
    robot = make_robot(instruction="describe it")
    perceiver.gate.clear()
    robot.show(scene(), stamp=1)
    assert perceiver.busy.wait(60)
    (result,) = robot.set_parameters(samples=7)
    assert result.successful
    assert len(perceiver.calls) == 1
    perceiver.gate.set()
    robot.show(scene(), stamp=2)
    assert eventually(lambda: len(perceiver.calls) == 2)
    assert [call["samples"] for call in perceiver.calls] == [1, 7]
    assert [call["stream"] for call in perceiver.calls] == [("", "camera_optical_frame")] * 2


def test_bad_value_is_refused_with_the_reason_and_changes_nothing(make_robot: MakeRobot) -> None:
    robot = make_robot()
    for name, value, words in (
        ("samples", 99, "samples"),
        ("temperature", float("nan"), "temperature"),
        ("label_set", "cityscapes", "household"),
        ("checkpoint", "elsewhere", "deactivate and clean up the node first"),
        ("autostart", False, "read-only"),
        ("instruction", "x" * 1001, "1001 characters"),
    ):
        before = robot.node.get_parameter(name).value
        (result,) = robot.set_parameters(**{name: value})
        assert not result.successful
        assert words in result.reason
        assert robot.node.get_parameter(name).value == before


def test_parameters_reach_the_model(make_robot: MakeRobot, perceiver: Any) -> None:
    robot = make_robot(instruction="label it", samples=4, temperature=0.5, seed=-1, label_set="ade20k")
    robot.show(scene(), stamp=1)
    assert eventually(lambda: len(perceiver.calls) == 1)
    robot.set_parameters(temperature=0.0, seed=5, label_set="")
    robot.show(scene(), stamp=2)
    assert eventually(lambda: len(perceiver.calls) == 2)
    options = [
        {name: call[name] for name in ("samples", "temperature", "seed", "label_set")} for call in perceiver.calls
    ]
    assert 0 <= options[0]["seed"] < 2**31
    assert options == [
        {"samples": 4, "temperature": 0.5, "seed": options[0]["seed"], "label_set": "ade20k"},
        {"samples": 4, "temperature": None, "seed": 5, "label_set": None},
    ]


def test_instruction_parameter_replaces_the_standing_instruction(make_robot: MakeRobot, perceiver: Any) -> None:
    robot = make_robot()
    robot.show(scene())
    assert robot.set_parameters(instruction="describe it")[0].successful
    assert eventually(lambda: [call["instruction"] for call in perceiver.calls] == ["describe it"])


def test_mask_encoding_parameter(make_robot: MakeRobot) -> None:
    robot = make_robot(instruction="mark the red square", mask_encoding="16UC1")
    robot.listen_to_all()
    robot.show(scene())
    assert eventually(lambda: robot.received["/instructseq/mask"])
    mask = robot.received["/instructseq/mask"][0]
    assert mask.encoding == "16UC1"
    assert np.array_equal(pixels(mask, np.uint16), red(scene()) * 255)


def test_overlay_is_drawn_only_for_a_subscriber(make_robot: MakeRobot, monkeypatch: pytest.MonkeyPatch) -> None:
    import instructseq_ros.publishing as publishing

    drawn: list[Any] = []
    monkeypatch.setattr(publishing, "draw_perception", lambda image, _, **__: drawn.append(image) or image)
    robot = make_robot(instruction="mark the red square")
    masks = robot.listen(Image, "/instructseq/mask")
    assert eventually(lambda: robot.node.count_subscribers("/instructseq/mask"))
    robot.show(scene(), stamp=1)
    assert eventually(lambda: len(masks) == 1)
    assert drawn == []
    overlays = robot.listen(Image, "/instructseq/overlay")
    assert eventually(lambda: robot.node.count_subscribers("/instructseq/overlay"))
    robot.show(scene(), stamp=2)
    assert eventually(lambda: overlays)
    assert len(drawn) == 1
    robot.set_parameters(publish_overlay=False)
    robot.show(scene(), stamp=3)
    assert eventually(lambda: len(masks) == 3)
    assert len(drawn) == 1


def test_compressed_images(make_robot: MakeRobot) -> None:
    robot = make_robot(instruction="mark the red square", image_transport="compressed")
    robot.listen_to_all()
    _, data = cv2.imencode(".png", scene()[..., ::-1])
    message = CompressedImage(format="rgb8; png compressed bgr8", data=array.array("B", data.tobytes()))
    message.header.stamp.sec = 9
    robot.compressed.publish(message)
    assert eventually(lambda: robot.received["/instructseq/mask"])
    mask = robot.received["/instructseq/mask"][0]
    assert mask.header == message.header
    assert np.array_equal(pixels(mask), red(scene()) * 255)
