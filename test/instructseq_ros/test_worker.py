"""The slot, the queue of goals and their turns, with a worker whose jobs the tests hold and let go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from instructseq_ros.worker import MAX_GOALS, Abandoned, Ticket, Worker

SOON = 60.0


class Recorder:
    """Jobs that write down what they are given, and wait at a gate while it is shut."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.replaced = 0
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Event()
        self.worker: Worker[int] = Worker(on_frame=self.frame, on_goal=self.goal, on_replaced=self.count)

    def frame(self, frame: int) -> None:
        self.busy.set()
        assert self.gate.wait(SOON)
        self.done.append(frame)

    def goal(self, ticket: Ticket[int], frame: int) -> str:
        self.busy.set()
        assert self.gate.wait(SOON)
        ticket.report("decoding", 0.5)
        self.done.append((ticket.request, frame))
        if ticket.request == "fail":
            raise ValueError("no answer")
        return f"{ticket.request} on {frame}"

    def count(self) -> None:
        self.replaced += 1

    def hold_on(self, frame: int) -> None:
        """Start on this frame and stay there."""
        self.gate.clear()
        self.busy.clear()
        self.worker.offer(frame)
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
    recorder.worker.stand(True)
    recorder.hold_on(1)
    for frame in range(2, 8):
        recorder.worker.offer(frame)
    recorder.gate.set()
    assert eventually(lambda: len(recorder.done) == 2)
    time.sleep(0.02)
    assert recorder.done == [1, 7]
    assert recorder.replaced == 5


def test_each_frame_is_processed_once(recorder: Recorder) -> None:
    recorder.worker.stand(True)
    recorder.worker.offer(1)
    assert eventually(lambda: recorder.done == [1])
    time.sleep(0.02)
    assert recorder.done == [1]


def test_nothing_runs_without_an_instruction(recorder: Recorder) -> None:
    recorder.worker.offer(1)
    recorder.worker.offer(2)
    time.sleep(0.02)
    assert recorder.done == []
    assert recorder.replaced == 0


def test_new_instruction_is_applied_to_the_newest_frame_already_there(recorder: Recorder) -> None:
    recorder.worker.stand(True)
    recorder.worker.offer(1)
    assert eventually(lambda: recorder.done == [1])
    recorder.worker.stand(True)
    assert eventually(lambda: recorder.done == [1, 1])


def test_goal_waits_for_a_frame_that_comes_after_it(recorder: Recorder) -> None:
    recorder.worker.offer(1)
    ticket = recorder.worker.submit("find")
    assert ticket is not None
    time.sleep(0.02)
    assert (ticket.stage, ticket.future.done()) == ("waiting", False)
    recorder.worker.offer(2)
    assert ticket.future.result(SOON) == "find on 2"


def test_goal_with_its_own_image_needs_no_frame(recorder: Recorder) -> None:
    ticket = recorder.worker.submit("find", frame=99)
    assert ticket is not None
    assert ticket.future.result(SOON) == "find on 99"


def test_goal_and_standing_instruction_share_the_frame(recorder: Recorder) -> None:
    recorder.worker.stand(True)
    ticket = recorder.worker.submit("find")
    recorder.worker.offer(5)
    assert ticket is not None
    assert ticket.future.result(SOON) == "find on 5"
    assert eventually(lambda: sorted(map(str, recorder.done)) == ["('find', 5)", "5"])


def test_goals_do_not_starve_the_standing_instruction(recorder: Recorder) -> None:
    recorder.worker.stand(True)
    recorder.hold_on(1)
    for index in range(3):
        recorder.worker.submit(index, frame=10 + index)
    recorder.worker.offer(2)
    recorder.gate.set()
    assert eventually(lambda: len(recorder.done) == 5)
    assert recorder.done == [1, (0, 10), 2, (1, 11), (2, 12)]


def test_failure_reaches_the_client_and_the_thread_lives(recorder: Recorder) -> None:
    failing = recorder.worker.submit("fail", frame=1)
    following = recorder.worker.submit("find", frame=2)
    assert failing is not None
    assert following is not None
    with pytest.raises(ValueError, match="no answer"):
        failing.future.result(SOON)
    assert following.future.result(SOON) == "find on 2"


def test_goal_that_waits_is_withdrawn_and_one_in_hand_breaks_off(recorder: Recorder) -> None:
    recorder.gate.clear()
    in_hand = recorder.worker.submit("first", frame=1)
    assert recorder.busy.wait(SOON)
    waiting = recorder.worker.submit("second", frame=2)
    assert in_hand is not None
    assert waiting is not None
    assert recorder.worker.withdraw(waiting)
    assert not recorder.worker.withdraw(in_hand)
    recorder.gate.set()
    with pytest.raises(Abandoned):
        in_hand.future.result(SOON)
    assert recorder.done == []


def test_line_of_goals_is_short(recorder: Recorder) -> None:
    assert all(recorder.worker.submit(index) is not None for index in range(MAX_GOALS))
    assert recorder.worker.submit("one too many") is None


def test_stop_cancels_what_waits_and_breaks_off_what_is_in_hand(recorder: Recorder) -> None:
    recorder.gate.clear()
    in_hand = recorder.worker.submit("first", frame=1)
    assert recorder.busy.wait(SOON)
    waiting = recorder.worker.submit("second", frame=2)
    assert not recorder.worker.stop(timeout=0.01)
    recorder.gate.set()
    assert recorder.worker.stop(timeout=SOON)
    assert in_hand is not None
    assert waiting is not None
    with pytest.raises(Abandoned):
        in_hand.future.result(0)
    assert waiting.future.cancelled()
    assert recorder.worker.submit("late") is None


def test_worker_starts_again_with_an_empty_slot(recorder: Recorder) -> None:
    recorder.worker.stand(True)
    recorder.hold_on(1)
    recorder.worker.offer(2)
    recorder.gate.set()
    assert recorder.worker.stop(timeout=SOON)
    finished = list(recorder.done)
    recorder.worker.start()
    recorder.worker.start()
    time.sleep(0.02)
    assert recorder.done == finished
    recorder.worker.offer(3)
    assert eventually(lambda: recorder.done == [*finished, 3])
