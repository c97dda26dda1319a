"""A bag played to the real node over DDS: answers belong to their frames, passes are not played twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rosbags.highlevel import AnyReader

from instructseq_model.checkpoint_folders import find_checkpoint
from instructseq_model.errors import ConfigError, InstructionError
from instructseq_replay.bags.types import INTERFACE_PACKAGES, message_types
from instructseq_replay.instructions import Instructions
from instructseq_replay.run import finish, make_plan
from instructseq_replay.run_folder import RunFolder

pytest.importorskip("rclpy")
pytest.importorskip("instructseq.msg")
from instructseq_replay.realtime.node_process import configured_node
from instructseq_replay.realtime.run import run_realtime
from instructseq_ros.node_process import NodeError

TABLE = Path(__file__).parents[3] / "demo" / "table"


def play(plan, folder: RunFolder, rate: float = 4.0) -> int:
    told: list[int] = []
    run_realtime(
        plan,
        journals=folder.journals,
        checkpoint=find_checkpoint("household"),
        device="cpu",
        threads=1,
        rate=rate,
        finished=told.append,
    )
    return sum(told)


def perceptions_in(bag: Path, types: Any) -> Iterator[tuple[Any, Any]]:
    """Connections and messages of all answers in a bag of results."""
    with AnyReader([bag], default_typestore=types) as reader:
        for connection, _, data in reader.messages():
            if connection.topic.endswith("/perception"):
                yield connection, types.deserialize_cdr(data, connection.msgtype)


def test_an_id_that_is_the_name_of_an_output_is_refused(make_bag, tmp_path):
    asked = Instructions.model_validate({"instructions": [{"id": "caption", "say": "b"}]})
    with pytest.raises(InstructionError, match="choose another one"):
        play(make_plan([make_bag()], asked, None), RunFolder(tmp_path / "out"))


@pytest.mark.nightly
def test_answers_come_back_to_their_frames(tmp_path):
    asked = Instructions.model_validate(
        {
            "cameras": ["/camera/image/compressed"],
            "instructions": [
                {"id": "heels", "say": "Where are the black high heels?"},
                {"id": "words", "say": "Describe this picture."},
            ],
        }
    )
    plan, folder = make_plan([TABLE], asked, None), RunFolder(tmp_path / "out")
    assert play(plan, folder) == 50
    assert play(plan, folder) > 0  # the finished passes, from the journal
    outcome = finish(plan, folder, way="realtime", against=None, step=lambda line: None)
    given = [answer for answer in outcome.answers if answer.task is not None]
    assert {answer.task for answer in given} == {"detection", "caption"}
    assert outcome.times["lost"] == 100 - len(given)
    assert all(answer.stamp_ns == answer.key.log_ns for answer in given)
    assert outcome.times["latency_ms"]["p50"] > 0
    assert {answer.task for answer in given if answer.instruction == "words"} == {"caption"}
    bag = folder.path / "results" / "table"
    types = message_types(*INTERFACE_PACKAGES)
    found = {
        (connection.topic.split("/")[2], message.standing_id, message.output_kind)
        for connection, message in perceptions_in(bag, types)
    }
    assert found == {("heels", "heels", "boxes"), ("words", "words", "text")}


def test_a_node_that_stops_is_told_with_its_last_words(tmp_path):
    parameters = {"checkpoint": "no such folder", "backend": "none of them"}
    with configured_node(parameters=parameters, remaps={}, folder=tmp_path) as node:
        assert node._process is not None
        node._process.wait(120)
        with pytest.raises(NodeError, match=r"the node stopped with exit code 2; .*node\.log says:"):
            node.check()


def test_a_task_cannot_be_told_to_a_node(make_bag, tmp_path):
    asked = Instructions.model_validate({"instructions": [{"id": "a", "say": "b", "task": "caption"}]})
    with pytest.raises(ConfigError, match="names a task, which a node leaves to the model"):
        play(make_plan([make_bag()], asked, None), RunFolder(tmp_path / "out"))
