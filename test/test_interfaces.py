"""The messages that travel: their types are those of a stock robot, and they carry what the node answers."""

import json
from pathlib import Path

import pytest

ament = pytest.importorskip("ament_index_python.packages", reason="ROS 2 is not sourced: . scripts/env.sh")

# Type hashes of the released vision_msgs; a node built here and a stock robot talk only if they agree.
RELEASED = {
    "Detection2DArray": "RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968",
    "Detection2D": "RIHS01_0d12b69df5c593b3455b7346fac8205437a7d4bcb09b9e0e0b2dde787ded38ea",
    "LabelInfo": "RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783",
    "VisionClass": "RIHS01_1e4a11f0fed50b5623cb8ff26ca0e37952a48a9c074d16f804b44e9164c2037a",
}


def installed_hash(message: str) -> str:
    description = Path(ament.get_package_share_directory("vision_msgs"), "msg", f"{message}.json")
    if not description.is_file():
        pytest.skip(f"this ROS 2 distribution has no type hashes ({description} is missing)")
    hashes = json.loads(description.read_text())["type_hashes"]
    return str(next(entry["hash_string"] for entry in hashes if entry["type_name"] == f"vision_msgs/msg/{message}"))


@pytest.mark.parametrize(("message", "released"), RELEASED.items())
def test_vision_msgs_have_the_released_type_hashes(message: str, released: str) -> None:
    assert installed_hash(message) == released


def test_the_underlay_has_all_messages_of_vision_msgs() -> None:
    folder = Path(__file__).parents[1] / "underlay" / "vision_msgs" / "msg"
    assert len(list(folder.glob("*.msg"))) == 16


def test_perception_survives_serialization() -> None:
    from rclpy.serialization import deserialize_message, serialize_message
    from vision_msgs.msg import Detection2D

    from instructseq.msg import Perception

    sent = Perception(instruction_id=7, instruction="find the mug", output_kind=Perception.KIND_BOXES, samples=10)
    sent.header.frame_id = "camera_optical_frame"
    sent.detections.detections = [Detection2D(id="0")]
    sent.score = 0.5
    sent.total_seconds = 0.25

    assert deserialize_message(serialize_message(sent), Perception) == sent


def test_kind_and_task_constants_are_the_models_own_words() -> None:
    from instructseq.msg import Perception as Message
    from instructseq_model.perception import Task
    from instructseq_model.vocabulary import OutputKind

    assert {Message.KIND_MAP, Message.KIND_BOXES, Message.KIND_TEXT} == {kind.value for kind in OutputKind}
    assert {
        Message.TASK_SEMANTIC,
        Message.TASK_SEGMENTATION,
        Message.TASK_DETECTION,
        Message.TASK_CAPTION,
    } == {task.value for task in Task}


def test_a_goal_that_names_nothing_leaves_every_choice_to_the_node() -> None:
    from instructseq.action import Perceive

    goal = Perceive.Goal(instruction="describe the table")

    assert (goal.image.width, goal.samples, goal.temperature, goal.label_set, goal.task) == (0, 0, 0.0, "", "")
