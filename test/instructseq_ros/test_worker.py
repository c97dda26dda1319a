"""The thread, its goals and their ends, with a worker whose jobs the tests hold and let go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from instructseq_ros.schedule import Turn
from instructseq_ros.standing import Standing
from instructseq_ros.worker import Abandoned, FrameSkipped, Ticket, Worker

SOON = 60.0
MOST_GOALS = 4


class Recorder:
    """Jobs that write down what they are given, and wait at a gate while it is shut."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.replaced: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Event()
        self.worker: Worker[int] = Worker(on_turn=self.turn, on_part=self.part, on_replaced=self.replaced.append)

    def turn(self, turn: Turn[int]) -> None:
        self.busy.set()
        assert self.gate.wait(SOON)
        self.done.append(turn.frame)

    def part(self, ticket: Ticket[int], camera: str, frame: int) -> str:
        self.busy.set()
        assert self.gate.wait(SOON)
        ticket.report("decoding", 0.5)
        self.done.append((ticket.request, frame))
        if frame < 0:
            assert ticket.skip(f"{frame} is no frame", now=0.0, patience=1.0)
            raise FrameSkipped
        if ticket.request == "fail":
            raise ValueError("no answer")
        return f"{ticket.request} on {frame}"

    def stand(self, *, number: int = 1) -> None:
        """Let one instruction stand."""
        self.worker.stand([Standing(id="", number=number, text="mark it")])

    def submit(self, request: Any, *, image: int | None = None, **options: Any) -> Ticket[int]:
        """Put a goal in line."""
        ticket = self.worker.submit(request, most=MOST_GOALS, image=image, **options)
        assert ticket is not None
        return ticket

    def hold_on(self, frame: int) -> None:
        """Start on this frame and stay there."""
        self.gate.clear()
        self.busy.clear()
        self.worker.offer("", frame)
        assert self.busy.wait(SOON)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    recorder.worker.start()
    yield recorder
    recorder.gate.set()
    assert recorder.worker.stop(timeout=SOON)


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + SOON
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    return condition()


def test_frames_that_a_newer_one_replaced_are_never_processed(recorder: Recorder) -> None:
    recorder.stand()
    recorder.hold_on(1)
    for frame in range(2, 8):
        recorder.worker.offer("", frame)
    recorder.gate.set()
    assert eventually(lambda: len(recorder.done) == 2)
    time.sleep(0.02)
    assert recorder.done == [1, 7]
    assert recorder.replaced == [""] * 5


def test_each_frame_is_processed_once(recorder: Recorder) -> None:
    recorder.stand()
    recorder.worker.offer("", 1)
    assert eventually(lambda: recorder.done == [1])
    time.sleep(0.02)
    assert recorder.done == [1]


def test_nothing_runs_without_an_instruction(recorder: Recorder) -> None:
    recorder.worker.offer("", 1)
    recorder.worker.offer("", 2)
    time.sleep(0.02)
    assert recorder.done == []
    assert recorder.replaced == []


def test_new_instruction_is_applied_to_the_newest_frame_already_there(recorder: Recorder) -> None:
    recorder.stand()
    recorder.worker.offer("", 1)
    assert eventually(lambda: recorder.done == [1])
    recorder.stand(number=2)
    assert eventually(lambda: recorder.done == [1, 1])


def test_goal_waits_for_a_frame_that_comes_after_it(recorder: Recorder) -> None:
    recorder.worker.offer("", 1)
    ticket = recorder.submit("find")
    time.sleep(0.02)
    assert (ticket.stage, ticket.future.done()) == ("waiting", False)
    recorder.worker.offer("", 2)
    assert ticket.future.result(SOON) == ["find on 2"]


def test_goal_with_its_own_image_needs_no_frame(recorder: Recorder) -> None:
    ticket = recorder.submit("find", image=99)
    assert ticket.future.result(SOON) == ["find on 99"]


def test_goal_and_standing_instruction_share_the_frame(recorder: Recorder) -> None:
    recorder.stand()
    ticket = recorder.submit("find")
    recorder.worker.offer("", 5)
    assert ticket.future.result(SOON) == ["find on 5"]
    assert eventually(lambda: sorted(map(str, recorder.done)) == ["('find', 5)", "5"])


def test_goals_do_not_starve_the_standing_instruction(recorder: Recorder) -> None:
    recorder.stand()
    recorder.hold_on(1)
    for index in range(3):
        recorder.submit(index, image=10 + index)
    recorder.worker.offer("", 2)
    recorder.gate.set()
    assert eventually(lambda: len(recorder.done) == 5)
    assert recorder.done == [1, (0, 10), 2, (1, 11), (2, 12)]


def test_failure_reaches_the_client_and_the_thread_lives(recorder: Recorder) -> None:
    failing = recorder.submit("fail", image=1)
    following = recorder.submit("find", image=2)
    with pytest.raises(ValueError, match="no answer"):
        failing.future.result(SOON)
    assert following.future.result(SOON) == ["find on 2"]


def test_goal_whose_frame_cannot_be_used_takes_the_next_one_and_tells_so(recorder: Recorder) -> None:
    told: list[tuple[str, float, int, str]] = []
    ticket = recorder.submit(
        "find",
        cameras=["left", "right"],
        on_progress=lambda one: told.append((one.stage, one.progress, one.skipped, one.skipped_because)),
    )
    for frame in (-1, -2):
        recorder.worker.offer("left", frame)
        assert eventually(lambda frame=frame: ticket.skipped == -frame and recorder.worker.lacks_frame(ticket))
        assert (ticket.waits_for, ticket.future.done()) == ("left", False)
    recorder.worker.offer("left", 3)
    recorder.worker.offer("right", 4)
    assert ticket.future.result(SOON) == ["find on 3", "find on 4"]
    assert [one for one in told if one[0] == "waiting"] == [
        ("waiting", 0.0, 1, "-1 is no frame"),
        ("waiting", 0.0, 2, "-2 is no frame"),
        ("waiting", 0.5, 2, "-2 is no frame"),
    ]


def test_frames_are_skipped_for_so_long_and_anew_for_each_camera(recorder: Recorder) -> None:
    ticket = recorder.submit("find", cameras=["left", "right"])
    assert [ticket.skip("dark", now=now, patience=1.0) for now in (5.0, 5.9, 6.1)] == [True, True, False]
    assert ticket.skipped == 2
    ticket.answered("there")
    assert ticket.skip("dark", now=7.0, patience=1.0)


def test_goal_that_waits_for_another_frame_can_be_withdrawn_and_stopped(recorder: Recorder) -> None:
    for end in (recorder.worker.withdraw, lambda ticket: recorder.worker.stop(timeout=SOON)):
        ticket = recorder.submit("find")
        recorder.worker.offer("", -1)
        assert eventually(lambda ticket=ticket: ticket.skipped == 1 and recorder.worker.lacks_frame(ticket))
        assert end(ticket)
        assert ticket.future.cancelled()


def test_goal_that_is_withdrawn_while_its_frame_is_looked_at_does_not_wait_for_another(recorder: Recorder) -> None:
    recorder.gate.clear()
    ticket = recorder.submit("find")
    recorder.worker.offer("", -1)
    assert recorder.busy.wait(SOON)
    assert not recorder.worker.withdraw(ticket)
    recorder.gate.set()
    with pytest.raises(Abandoned):
        ticket.future.result(SOON)
    recorder.worker.offer("", 2)
    assert recorder.submit("count", image=3).future.result(SOON) == ["count on 3"]
    assert recorder.done[-1] == ("count", 3)


def test_goal_that_waits_is_withdrawn_and_one_in_hand_breaks_off(recorder: Recorder) -> None:
    recorder.gate.clear()
    in_hand = recorder.submit("first", image=1)
    assert recorder.busy.wait(SOON)
    waiting = recorder.submit("second", image=2)
    assert recorder.worker.withdraw(waiting)
    assert not recorder.worker.withdraw(in_hand)
    recorder.gate.set()
    with pytest.raises(Abandoned):
        in_hand.future.result(SOON)
    assert recorder.done == []


def test_line_of_goals_is_short(recorder: Recorder) -> None:
    tickets = [recorder.submit(index) for index in range(MOST_GOALS)]
    assert recorder.worker.submit("one too many", most=MOST_GOALS) is None
    assert recorder.worker.withdraw(tickets[1])
    assert recorder.worker.submit("now there is room", most=MOST_GOALS) is not None


def test_goal_for_two_cameras_takes_one_after_the_other_and_tells_how_far_it_is(recorder: Recorder) -> None:
    told: list[tuple[str, float, int]] = []
    ticket = recorder.submit(
        "find",
        cameras=["left", "right"],
        on_progress=lambda one: told.append((one.stage, one.progress, len(one.answers))),
    )
    assert ticket.waits_for == "left"
    recorder.worker.offer("left", 1)
    assert eventually(lambda: ticket.waits_for == "right")
    recorder.worker.offer("left", 2)
    recorder.worker.offer("right", 3)
    assert ticket.future.result(SOON) == ["find on 1", "find on 3"]
    assert told == [("decoding", 0.25, 0), ("waiting", 0.5, 1), ("decoding", 0.75, 1)]
    assert ticket.waits_for is None


def test_goal_between_two_cameras_can_be_withdrawn_and_stopped(recorder: Recorder) -> None:
    for end in (recorder.worker.withdraw, lambda ticket: recorder.worker.stop(timeout=SOON)):
        ticket = recorder.submit("find", cameras=["left", "right"])
        recorder.worker.offer("left", 1)
        assert eventually(lambda ticket=ticket: len(ticket.answers) == 1 and recorder.worker.lacks_frame(ticket))
        assert end(ticket)
        assert ticket.future.cancelled()


@pytest.mark.parametrize("stage", ["decoding", "waiting"])
def test_goal_that_is_withdrawn_under_way_has_an_end(recorder: Recorder, stage: str) -> None:
    withdrawn: list[bool] = []

    def withdraw(ticket: Ticket[int]) -> None:
        if ticket.stage == stage:
            withdrawn.append(recorder.worker.withdraw(ticket))

    ticket = recorder.submit("find", cameras=["left", "right"], on_progress=withdraw)
    recorder.worker.offer("left", 1)
    with pytest.raises(Abandoned):
        ticket.future.result(SOON)
    assert withdrawn == [False]
    assert recorder.worker.submit("count", most=1, image=2) is not None


def test_goal_that_is_withdrawn_as_it_ends_is_done_and_the_thread_lives(recorder: Recorder) -> None:
    ticket = recorder.submit("find")
    tell = ticket.future.set_result
    withdrawn: list[bool] = []

    def withdraw_first(answers: list[str]) -> None:
        withdrawn.append(recorder.worker.withdraw(ticket))
        tell(answers)

    ticket.future.set_result = withdraw_first  # type: ignore[method-assign]
    recorder.worker.offer("", 1)
    assert ticket.future.result(SOON) == ["find on 1"]
    assert withdrawn == [False]
    assert recorder.submit("count", image=2).future.result(SOON) == ["count on 2"]


def test_stop_cancels_what_waits_and_breaks_off_what_is_in_hand(recorder: Recorder) -> None:
    recorder.gate.clear()
    in_hand = recorder.submit("first", image=1)
    assert recorder.busy.wait(SOON)
    waiting = recorder.submit("second", image=2)
    assert not recorder.worker.stop(timeout=0.01)
    recorder.gate.set()
    assert recorder.worker.stop(timeout=SOON)
    with pytest.raises(Abandoned):
        in_hand.future.result(0)
    assert waiting.future.cancelled()
    assert recorder.worker.submit("late", most=MOST_GOALS) is None


def test_worker_starts_again_with_an_empty_slot(recorder: Recorder) -> None:
    recorder.stand()
    recorder.hold_on(1)
    recorder.worker.offer("", 2)
    recorder.gate.set()
    assert recorder.worker.stop(timeout=SOON)
    finished = list(recorder.done)
    recorder.worker.start()
    recorder.worker.start()
    time.sleep(0.02)
    assert recorder.done == finished
    recorder.worker.offer("", 3)
    assert eventually(lambda: recorder.done == [*finished, 3])
