"""The action ~/perceive: its own image or the next frame, feedback, cancelling, and goals that cannot be done."""

from __future__ import annotations

import array
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.action", reason="the interfaces are not built: scripts/setup.sh")

from action_msgs.msg import GoalStatus
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from instructseq.action import Perceive

MakeRobot = Callable[..., Any]
MOST_GOALS = 2


def eventually(condition: Callable[[], Any], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


def scene() -> NDArray[np.uint8]:
    image = np.full((48, 64, 3), 100, np.uint8)
    image[10:30, 20:40] = (220, 30, 20)
    return image


class Client:
    """Sends goals of ~/perceive and waits for what becomes of them."""

    def __init__(self, robot: Any) -> None:
        self._client = robot.action
        assert self._client.wait_for_server(60)
        self.feedback: list[str] = []
        self.partial: list[Any] = []
        self.underway: list[Any] = []
        self.decided: list[Any] = []
        self.skipped: list[tuple[int, str]] = []

    def send(self, instruction: str = "mark the red square", **fields: Any) -> Any:
        """Send a goal and wait until it is accepted or rejected."""
        future = self._client.send_goal_async(
            Perceive.Goal(instruction=instruction, **fields),
            feedback_callback=self.hear,
        )
        assert eventually(future.done)
        return future.result()

    def hear(self, message: Any) -> None:
        self.feedback.append(message.feedback.stage)
        self.skipped.append((message.feedback.skipped, message.feedback.skipped_because))
        (self.partial if message.feedback.is_final else self.underway).extend(message.feedback.partial)
        if message.feedback.partial:
            self.decided.append(message.feedback.decided)

    def outcome(self, handle: Any) -> tuple[int, Any]:
        """Status and result."""
        assert handle.accepted
        future = handle.get_result_async()
        assert eventually(future.done)
        return future.result().status, future.result().result


def message(*, stamp: int = 1) -> Image:
    image = Image(height=48, width=64, encoding="rgb8", step=192, data=array.array("B", scene().tobytes()))
    image.header.stamp.sec = stamp
    image.header.frame_id = "photograph"
    return image


def pixels(image: Image) -> NDArray[np.uint8]:
    return np.frombuffer(image.data.tobytes(), np.uint8).reshape(image.height, image.width)


def test_goal_with_its_own_image_needs_no_camera(make_robot: MakeRobot, perceiver: Any) -> None:
    client = Client(make_robot())
    handle = client.send(image=message(stamp=77), samples=3, temperature=0.5, task="segmentation")
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_SUCCEEDED
    assert result.success
    assert result.message == ""
    mask = np.frombuffer(result.perception.mask.data.tobytes(), np.uint8).reshape(48, 64)
    assert np.array_equal(mask == 255, (scene() == (220, 30, 20)).all(-1))
    assert result.perception.header == message(stamp=77).header
    assert result.perception.mask.header == message(stamp=77).header
    assert (perceiver.calls[0]["samples"], perceiver.calls[0]["temperature"]) == (3, 0.5)
    assert perceiver.calls[0]["task"].value == "segmentation"
    assert perceiver.calls[0]["stream"] == ("", "photograph")


def test_goal_without_an_image_takes_the_next_frame_and_says_that_it_waits(make_robot: MakeRobot) -> None:
    robot = make_robot(samples=5)
    robot.show(scene(), stamp=1)
    time.sleep(0.1)
    client = Client(robot)
    handle = client.send("describe it")
    assert eventually(lambda: "waiting" in client.feedback)
    robot.show(scene(), stamp=2)
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_SUCCEEDED
    assert (result.perception.caption, result.perception.header.stamp.sec) == ("400 red pixels", 2)
    assert result.perception.samples == 5


def test_feedback_names_the_stages(make_robot: MakeRobot, perceiver: Any) -> None:
    client = Client(make_robot())
    perceiver.gate.clear()
    perceiver.second_gate.clear()
    handle = client.send(image=message())
    assert eventually(lambda: "encoding" in client.feedback)
    perceiver.gate.set()
    assert eventually(lambda: "decoding" in client.feedback)
    perceiver.second_gate.set()
    assert client.outcome(handle)[1].success


def test_feedback_shows_the_answer_under_way_and_what_of_it_is_final(make_robot: MakeRobot, perceiver: Any) -> None:
    client = Client(make_robot(partial_rate=30.0))
    perceiver.second_gate.clear()
    handle = client.send(image=message(stamp=7))
    assert eventually(lambda: len(client.underway) > 1)
    perceiver.second_gate.set()
    result = client.outcome(handle)[1].perception
    shown, states = client.underway[0], client.decided[0]
    assert (shown.header, states.header) == (message(stamp=7).header, message(stamp=7).header)
    assert (shown.instruction, shown.output_kind) == ("mark the red square", "map")
    assert (states.encoding, states.height, states.width) == ("mono8", 48, 64)
    feedback = Perceive.Feedback
    expected = [feedback.DECIDED] * 12 + [feedback.GUESSED] * 12 + [feedback.UNKNOWN] * 24
    assert pixels(states).tolist() == [[row] * 64 for row in expected]
    known = pixels(states) != feedback.UNKNOWN
    assert np.array_equal(pixels(shown.mask)[known], pixels(result.mask)[known])
    assert 0 < np.count_nonzero(pixels(shown.mask)) < np.count_nonzero(pixels(result.mask))
    assert not pixels(shown.mask)[~known].any()
    assert client.partial == []


@pytest.mark.parametrize("rate", [0.0, 0.01])
def test_answers_under_way_are_shown_no_more_often_than_asked_for(
    make_robot: MakeRobot, perceiver: Any, rate: float
) -> None:
    client = Client(make_robot(partial_rate=rate))
    perceiver.second_gate.clear()
    handle = client.send(image=message())
    assert eventually(lambda: client.feedback.count("decoding") > 5)
    perceiver.second_gate.set()
    assert client.outcome(handle)[1].success
    assert client.underway == []


def test_goal_can_be_cancelled_while_answers_under_way_are_shown(make_robot: MakeRobot, perceiver: Any) -> None:
    client = Client(make_robot(partial_rate=30.0))
    perceiver.second_gate.clear()
    handle = client.send(image=message())
    assert eventually(lambda: client.underway)
    assert eventually(handle.cancel_goal_async().done)
    status, result = client.outcome(handle)
    assert (status, result.message) == (GoalStatus.STATUS_CANCELED, "it was cancelled")


def test_answers_of_goals_do_not_mix_with_those_of_the_standing_instruction(make_robot: MakeRobot) -> None:
    robot = make_robot(instruction="describe it")
    robot.listen_to_all()
    client = Client(robot)
    handle = client.send("find the red square")
    robot.show(scene())
    assert client.outcome(handle)[1].perception.output_kind == "boxes"
    assert eventually(lambda: robot.received["/instructseq/caption"])
    assert not robot.received["/instructseq/detections"]


def test_waiting_goal_can_be_cancelled(make_robot: MakeRobot, perceiver: Any) -> None:
    client = Client(make_robot())
    handle = client.send()
    assert eventually(lambda: client.feedback)
    cancelled = handle.cancel_goal_async()
    assert eventually(cancelled.done)
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_CANCELED
    assert (result.success, result.message) == (False, "it was cancelled")
    assert perceiver.calls == []


def test_goal_in_hand_can_be_cancelled_and_breaks_off_soon(make_robot: MakeRobot, perceiver: Any) -> None:
    client = Client(make_robot())
    perceiver.gate.clear()
    handle = client.send(image=message())
    assert perceiver.busy.wait(60)
    cancelled = handle.cancel_goal_async()
    assert eventually(cancelled.done)
    perceiver.gate.set()
    assert client.outcome(handle)[0] == GoalStatus.STATUS_CANCELED
    assert perceiver.broken_off == 1
    assert client.outcome(client.send("describe it", image=message()))[1].success


def test_goal_gives_up_when_no_frame_comes(make_robot: MakeRobot) -> None:
    client = Client(make_robot(goal_timeout=0.2))
    status, result = client.outcome(client.send())
    assert status == GoalStatus.STATUS_ABORTED
    assert "no frame came on /image within 0.2 seconds" in result.message


def test_goal_whose_frame_is_there_is_not_given_up_while_the_model_is_busy(
    make_robot: MakeRobot, perceiver: Any
) -> None:
    robot = make_robot(goal_timeout=0.5, instruction="mark it")
    client = Client(robot)
    perceiver.gate.clear()
    robot.show(scene(), stamp=1)
    assert perceiver.busy.wait(60)
    handle = client.send("describe it")
    robot.show(scene(), stamp=2)
    outcome = handle.get_result_async()
    assert not eventually(outcome.done, seconds=2.0)
    perceiver.gate.set()
    assert eventually(outcome.done)
    assert outcome.result().status == GoalStatus.STATUS_SUCCEEDED
    assert outcome.result().result.perception.header.stamp.sec == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"instruction": "  "}, "no instruction"),
        ({"instruction": "a" * 1001}, "1001 characters"),
        ({"samples": 33}, "between 1 and 32"),
        ({"temperature": 2.5}, "between 0 and 2"),
        ({"task": "segment"}, "no task 'segment': use one of semantic"),
        ({"cameras": ["left"]}, "leave one of them out"),
        ({"cameras": ["left"], "image": Image()}, "cameras must be some of ''"),
        ({"instruction": "fail"}, "the model failed: RuntimeError"),
    ],
)
def test_goal_that_cannot_be_done_is_aborted_with_the_reason(
    make_robot: MakeRobot, fields: dict[str, Any], words: str
) -> None:
    client = Client(make_robot())
    status, result = client.outcome(client.send(**{"image": message(), **fields}))
    assert status == GoalStatus.STATUS_ABORTED
    assert not result.success
    assert words in result.message


def test_goal_with_a_damaged_image_is_aborted_with_the_reason(make_robot: MakeRobot) -> None:
    client = Client(make_robot())
    status, result = client.outcome(client.send(image=broken()))
    assert status == GoalStatus.STATUS_ABORTED
    assert "step of 100 bytes" in result.message


def test_goal_whose_next_frame_is_broken_takes_the_one_after_it(make_robot: MakeRobot) -> None:
    robot = make_robot()
    diagnosed = robot.listen(DiagnosticArray, "/diagnostics")
    client = Client(robot)
    handle = client.send("describe it")
    assert eventually(lambda: "waiting" in client.feedback)
    assert client.skipped[0] == (0, "")
    robot.images.publish(broken())
    assert eventually(lambda: client.skipped[-1][0] == 1)
    assert "step of 100 bytes" in client.skipped[-1][1]
    assert eventually(lambda: "step of 100 bytes" in last_error(diagnosed))
    robot.show(scene(), stamp=2)
    status, result = client.outcome(handle)
    assert (status, result.message) == (GoalStatus.STATUS_SUCCEEDED, "")
    assert (result.perception.caption, result.perception.header.stamp.sec) == ("400 red pixels", 2)


def test_goal_of_two_cameras_skips_the_broken_frame_of_the_second(make_robot: MakeRobot) -> None:
    robot = make_robot(cameras=["left", "right"])
    client = Client(robot)
    handle = client.send("describe it", cameras=["left", "right"])
    assert eventually(lambda: client.feedback)
    robot.show(scene(), stamp=1, camera="left")
    assert eventually(lambda: client.partial)
    robot.eye("right").publish(broken(stamp=1))
    assert eventually(lambda: client.skipped[-1][0] == 1)
    robot.show(scene(), stamp=2, camera="right")
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_SUCCEEDED
    assert [(one.camera, one.header.stamp.sec) for one in (result.perception, *result.others)] == [
        ("left", 1),
        ("right", 2),
    ]


@pytest.mark.parametrize("pause", [0.01, 10.0])
def test_goal_gives_up_when_all_frames_are_broken_and_says_so(make_robot: MakeRobot, pause: float) -> None:
    robot = make_robot(goal_timeout=0.5)
    client = Client(robot)
    began = time.monotonic()
    future = client.send().get_result_async()
    stamp = 0
    while not future.done() and time.monotonic() < began + 60:
        stamp += 1
        robot.images.publish(broken(stamp=stamp))
        eventually(future.done, seconds=pause)
    status, result = future.result().status, future.result().result
    assert status == GoalStatus.STATUS_ABORTED
    assert "step of 100 bytes" in result.message
    assert ("no frame that can be used came on /image within 0.5 seconds" in result.message) or (
        "frames in a row could not be used, nor can the one after them" in result.message
    )


def broken(*, stamp: int = 1) -> Image:
    image = message(stamp=stamp)
    image.step = 100
    return image


def last_error(diagnosed: list[DiagnosticArray]) -> str:
    """As the newest diagnostics say it."""
    values = [item for status in diagnosed[-1].status for item in status.values] if diagnosed else []
    return next((item.value for item in values if item.key == "last error"), "")


def test_too_many_goals_are_told_so_and_services_still_answer(make_robot: MakeRobot, perceiver: Any) -> None:
    robot = make_robot(max_goals=MOST_GOALS)
    client = Client(robot)
    perceiver.gate.clear()
    handles = [client.send(image=message())]
    assert perceiver.busy.wait(60)
    handles += [client.send(image=message()) for _ in range(MOST_GOALS)]
    status, result = client.outcome(client.send(image=message()))
    assert status == GoalStatus.STATUS_ABORTED
    assert "2 goals wait already" in result.message
    assert robot.set_parameters(samples=2)[0].successful
    perceiver.gate.set()
    assert all(client.outcome(handle)[1].success for handle in handles)


def test_inactive_node_rejects_goals(make_robot: MakeRobot) -> None:
    client = Client(make_robot(active=False, autostart=False))
    assert not client.send(image=message()).accepted


def test_deactivating_ends_waiting_goals(make_robot: MakeRobot) -> None:
    robot = make_robot()
    client = Client(robot)
    handle = client.send()
    assert eventually(lambda: client.feedback)
    assert robot.change_state("deactivate")
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_ABORTED
    assert (result.success, result.message) == (False, "the node was deactivated before it was done with the goal")


def test_goal_for_all_cameras_answers_one_after_the_other(make_robot: MakeRobot) -> None:
    robot = make_robot(cameras=["left", "right"])
    client = Client(robot)
    handle = client.send("describe it", cameras=[Perceive.Goal.ALL_CAMERAS])
    assert eventually(lambda: "waiting" in client.feedback)
    robot.show(scene(), stamp=4, camera="left")
    assert eventually(lambda: client.partial)
    assert (client.partial[0].camera, client.partial[0].header.stamp.sec) == ("left", 4)
    robot.show(scene(), stamp=6, camera="right")
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_SUCCEEDED
    assert (result.perception.camera, result.perception.caption) == ("left", "400 red pixels")
    assert [(one.camera, one.header.frame_id) for one in result.others] == [("right", "right_optical_frame")]


def test_goal_whose_second_camera_is_silent_keeps_the_first_answer(make_robot: MakeRobot) -> None:
    robot = make_robot(cameras=["left", "right"], goal_timeout=1.0)
    client = Client(robot)
    handle = client.send("describe it", cameras=["left", "right"])
    assert eventually(lambda: client.feedback)
    robot.show(scene(), camera="left")
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_ABORTED
    assert "no frame came on /right/image within 1 seconds" in result.message
    assert [one.camera for one in result.others] == ["left"]
