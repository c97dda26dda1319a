"""Turns by hand and by hypothesis: nobody starves, no frame is seen twice or after a newer one, nothing grows."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructseq_ros.schedule import Part, Schedule, Turn
from instructseq_ros.standing import Standing


def standing(number: int, *, cameras: tuple[str, ...] = (), priority: int = 0) -> Standing:
    return Standing(id=f"i{number}", number=number, text="mark it", cameras=cameras, priority=priority)


def turn(work: Any) -> tuple[str, int, list[int]]:
    """Camera, frame and numbers of a turn."""
    assert isinstance(work, Turn)
    return work.camera, work.frame, [one.number for one in work.instructions]


def test_one_turn_shows_a_frame_to_all_instructions_of_its_camera() -> None:
    schedule: Schedule[int] = Schedule()
    schedule.stand([standing(1), standing(2, cameras=("left",)), standing(3, cameras=("right",))])
    schedule.offer("left", 10)
    assert turn(schedule.next()) == ("left", 10, [1, 2])
    assert schedule.next() is None


def test_only_the_newest_frame_is_shown_and_the_replaced_ones_are_told() -> None:
    schedule: Schedule[int] = Schedule()
    assert not schedule.offer("", 1)
    schedule.stand([standing(1)])
    assert schedule.offer("", 2)
    assert schedule.offer("", 3)
    assert turn(schedule.next()) == ("", 3, [1])
    assert not schedule.offer("", 4)


def test_cameras_take_turns_however_fast_one_of_them_is() -> None:
    schedule: Schedule[int] = Schedule()
    schedule.stand([standing(1)])
    schedule.offer("slow", 0)
    seen = []
    for frame in range(1, 9):
        schedule.offer("fast", frame)
        seen.append(turn(schedule.next())[0])
        if seen[-1] == "slow":
            schedule.offer("slow", frame)
    assert seen == ["fast", "slow"] * 4


def test_priority_is_a_share_of_the_turns() -> None:
    schedule: Schedule[int] = Schedule()
    schedule.stand([standing(1, priority=3), standing(2)])
    numbers = []
    for frame in range(40):
        schedule.offer("", frame)
        numbers += turn(schedule.next())[2]
    assert (numbers.count(1), numbers.count(2)) == (32, 8)


def test_turns_are_not_saved_up() -> None:
    schedule: Schedule[int] = Schedule()
    schedule.stand([standing(1)])
    for frame in range(20):
        schedule.offer("busy", frame)
        schedule.next()
    seen = []
    for frame in range(6):
        schedule.offer("busy", frame)
        schedule.offer("late", frame)
        seen.append(turn(schedule.next())[0])
    assert seen.count("late") == 3


def test_new_instruction_sees_the_frame_that_is_there_and_the_old_one_does_not_again() -> None:
    schedule: Schedule[int] = Schedule()
    schedule.stand([standing(1)])
    schedule.offer("", 7)
    schedule.next()
    schedule.stand([standing(1), standing(2)])
    assert turn(schedule.next()) == ("", 7, [2])


def test_goal_waits_for_a_frame_after_it_and_takes_its_cameras_one_after_the_other() -> None:
    schedule: Schedule[int] = Schedule()
    schedule.offer("left", 1)
    line = schedule.line_up("find", image=None, cameras=["left", "right"])
    assert schedule.next() is None
    schedule.offer("right", 2)
    assert schedule.next() is None
    assert schedule.lacks_frame(line)
    schedule.offer("left", 3)
    assert not schedule.lacks_frame(line)
    assert schedule.next() == Part(line, "left", 3)
    assert schedule.goals == 1
    assert schedule.next() == Part(line, "right", 2)
    assert schedule.goals == 0


def test_goal_that_is_lined_up_again_takes_a_newer_frame_of_that_camera_alone_and_before_other_goals() -> None:
    schedule: Schedule[int] = Schedule()
    line = schedule.line_up("find", image=None, cameras=["left", "right"])
    other = schedule.line_up("count", image=None, cameras=["left"])
    schedule.offer("right", 1)
    schedule.offer("left", 2)
    assert schedule.next() == Part(line, "left", 2)
    schedule.line_up_again(line, "left")
    assert schedule.lacks_frame(line)
    assert not schedule.lacks_frame(other)
    schedule.offer("left", 3)
    assert [schedule.next() for _ in range(3)] == [
        Part(line, "left", 3),
        Part(line, "right", 1),
        Part(other, "left", 3),
    ]
    schedule.line_up_again(other, "left")  # whose last part was taken
    schedule.offer("left", 4)
    assert schedule.next() == Part(other, "left", 4)
    assert schedule.goals == 0


def test_goals_and_turns_alternate() -> None:
    schedule: Schedule[int] = Schedule()
    schedule.stand([standing(1)])
    for image in (10, 11):
        schedule.line_up("find", image=image, cameras=[])
    kinds = []
    for frame in range(4):
        schedule.offer("", frame)
        kinds.append(type(schedule.next()).__name__)
    assert kinds == ["Part", "Turn", "Part", "Turn"]


def test_withdrawn_goals_are_gone_and_clearing_returns_the_rest() -> None:
    schedule: Schedule[int] = Schedule()
    first, second = (schedule.line_up(name, image=1, cameras=[]) for name in ("a", "b"))
    assert schedule.withdraw(first)
    assert not schedule.withdraw(first)
    assert schedule.clear() == [second]
    assert schedule.next() is None


CAMERAS = ("a", "b", "c")
CHOICES = st.lists(
    st.tuples(st.sets(st.sampled_from(CAMERAS)), st.integers(0, 9)).map(lambda pair: (tuple(sorted(pair[0])), pair[1])),
    min_size=1,
    max_size=6,
)


@given(CHOICES, st.booleans())
@settings(max_examples=60, deadline=None)
def test_whoever_always_has_a_fresh_frame_is_served_within_its_share(choices: Any, has_goals: bool) -> None:
    chosen = [standing(at + 1, cameras=cameras, priority=priority) for at, (cameras, priority) in enumerate(choices)]
    schedule: Schedule[int] = Schedule()
    schedule.stand(chosen)
    weights = {(camera, one.priority): one.priority + 1 for camera in CAMERAS for one in chosen if one.watches(camera)}
    waited = dict.fromkeys(weights, 0)
    for frame in range(300):
        for camera in CAMERAS:
            schedule.offer(camera, frame)
        if has_goals and not schedule.goals:
            schedule.line_up("find", image=frame, cameras=[])
        work = schedule.next()
        if not isinstance(work, Turn):
            continue
        flow = (work.camera, work.instructions[0].priority)
        for other in waited:
            waited[other] = 0 if other == flow else waited[other] + 1
        for other, turns in waited.items():
            others = [weight for name, weight in weights.items() if name != other]
            assert turns <= sum(math.ceil(weight / weights[other]) + 1 for weight in others)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.sampled_from(CAMERAS)),
        st.tuples(st.just("stand"), CHOICES),
        st.tuples(st.just("goal"), st.sampled_from(CAMERAS)),
        st.tuples(st.just("next"), st.just(None)),
    ),
    max_size=120,
)


@given(EVENTS)
@settings(max_examples=150, deadline=None)
def test_no_instruction_sees_a_frame_twice_or_an_older_one_and_nothing_grows(events: Any) -> None:
    schedule: Schedule[int] = Schedule()
    numbers, frames = 0, 0
    newest: dict[str, int] = {}
    last: dict[tuple[str, int], int] = {}
    for kind, value in events:
        if kind == "offer":
            frames += 1
            newest[value] = frames
            schedule.offer(value, frames)
        elif kind == "stand":
            chosen = [standing(numbers + 1 + at, cameras=one[0], priority=one[1]) for at, one in enumerate(value)]
            numbers += len(chosen)
            schedule.stand(chosen)
        elif kind == "goal" and schedule.goals < 4:
            schedule.line_up("find", image=None, cameras=[value])
        else:
            work = schedule.next()
            if work is not None:
                assert work.frame == newest[work.camera]
            if isinstance(work, Turn):
                for one in work.instructions:
                    assert work.frame > last.get((work.camera, one.number), 0)
                    last[work.camera, one.number] = work.frame
        held = (schedule._slots, schedule._seen, schedule._had, schedule._goals)
        assert [len(one) <= most for one, most in zip(held, (3, 18, 30, 4), strict=True)] == [True] * 4


@pytest.mark.parametrize("priority", [0, 9])
def test_a_lone_instruction_sees_every_frame(priority: int) -> None:
    schedule: Schedule[int] = Schedule()
    schedule.stand([standing(1, priority=priority)])
    for frame in range(5):
        schedule.offer("", frame)
        assert turn(schedule.next())[1] == frame
