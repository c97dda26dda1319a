"""`instructseq say` over DDS: the words arrive, silence is reported, the prompt keeps asking."""

import threading

import pytest
from typer.testing import CliRunner

from instructseq_cli import node as node_commands
from instructseq_cli.main import app
from instructseq_cli.ros import InstructionPublisher, RosError, require_ros

TOPIC = "/test_say/instruction"


@pytest.fixture
def heard(monkeypatch):
    """Instructions that a node on this machine has heard, as they come."""
    rclpy = pytest.importorskip("rclpy")
    from rclpy.executors import SingleThreadedExecutor
    from std_msgs.msg import String

    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=86)
    monkeypatch.setenv("ROS_DOMAIN_ID", "86")
    node = rclpy.create_node("test_say_listener", context=context)
    words: list[str] = []
    node.create_subscription(String, TOPIC, lambda message: words.append(message.data), 10)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    yield words
    executor.shutdown()
    thread.join()
    node.destroy_node()
    rclpy.shutdown(context=context)


def wait_for(words: list[str], count: int) -> None:
    pause = threading.Event()
    for _ in range(400):
        if len(words) >= count:
            return
        pause.wait(0.05)


def test_an_instruction_arrives(heard):
    shown = CliRunner().invoke(app, ["say", "mark", "the mug", "--topic", TOPIC, "--wait", "30"])
    assert shown.exit_code == 0, shown.output
    wait_for(heard, 1)
    assert heard == ["mark the mug"]


def test_the_prompt_sends_a_line_at_a_time_and_an_empty_one_stops(heard):
    shown = CliRunner().invoke(app, ["say", "--topic", TOPIC, "--wait", "30"], input="find the cup\n\n")
    assert shown.exit_code == 0, shown.output
    wait_for(heard, 2)
    assert heard == ["find the cup", ""]
    assert "stopped" in shown.stdout


def test_without_a_listener_it_says_what_to_start():
    pytest.importorskip("rclpy")
    with (
        InstructionPublisher(topic="/test_say/nobody", wait_seconds=0.1) as publisher,
        pytest.raises(RosError, match="start `instructseq node`"),
    ):
        publisher.wait_for_listener()


def test_a_bad_topic_is_refused():
    pytest.importorskip("rclpy")
    with pytest.raises(RosError, match="not a name for a topic"):
        InstructionPublisher(topic="no good!", wait_seconds=0.1)


def test_without_ros_the_message_says_how_to_get_it():
    with pytest.raises(RosError, match=r"scripts/env\.sh"):
        require_ros("a_module_that_is_not_there")


def test_the_node_command_hands_its_arguments_on(monkeypatch, tmp_path):
    received: list[list[str]] = []
    monkeypatch.setattr(node_commands, "require_ros", lambda *modules: None)
    node_module = pytest.importorskip("instructseq_ros.node")
    monkeypatch.setattr(node_module, "main", lambda arguments: received.append(arguments) or 0)
    options = [
        "--checkpoint",
        str(tmp_path),
        "--image",
        "/camera",
        "--ros-args",
        "--log-level",
        "debug",
        "-r",
        "__ns:=/arm",
    ]
    assert CliRunner().invoke(app, ["node", *options]).exit_code == 0
    assert received == [
        [
            *("--ros-args", "-p", f"checkpoint:={tmp_path}", "-r", "image:=/camera"),
            *("--ros-args", "--log-level", "debug", "-r", "__ns:=/arm"),
        ]
    ]
