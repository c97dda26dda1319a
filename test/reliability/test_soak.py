"""An hour at work: more frames than can be answered, instructions that come and go, goals, broken images in between.

INSTRUCTSEQ_SOAK_SECONDS sets the length, INSTRUCTSEQ_SOAK_RATE the frames a second of both cameras together. The model
works all the time even at a low rate: run it under `nice` beside other work. Nothing here depends on how fast the
machine is, or stays.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

from rclpy.action import ActionClient

from instructseq.action import Perceive
from instructseq.msg import Instruction

from .goals import SOON, SentGoal, send
from .program import cameras
from .test_flood import assert_in_order
from .watcher import Watcher

SECONDS = float(os.environ.get("INSTRUCTSEQ_SOAK_SECONDS", "3600"))
RATE = float(os.environ.get("INSTRUCTSEQ_SOAK_RATE", "10"))
ROUND = 10.0
"""Seconds after which something changes, and the process is measured."""

GROWTH = 40
"""Megabytes between the medians of the second and the last fifth."""

STOOD_STILL = 10.0
"""Seconds without an answer, of the clock."""

SENTENCES = ("mark the red square in green", "where is the red mug?", "describe this picture", "segment everything")


@pytest.mark.nightly
@pytest.mark.timeout(SECONDS + 7200)
def test_soak_leaves_memory_threads_and_latency_level(make_node: Callable[..., Any], note: Callable[..., None]) -> None:
    # A goal may be shown a broken image twice, with longer in between than its usual time, where the machine is slow.
    program = make_node(cameras=["left", "right"], instruction=SENTENCES[0], goal_timeout=900.0)
    program.start()
    with Watcher() as watcher:
        goals = ActionClient(watcher.node, Perceive, "/instructseq/perceive")
        sent: list[SentGoal] = []
        memory, threads, files = [], [], []
        work = [work_an_answer(program, watcher)]
        with cameras(["/left/image", "/right/image"], RATE):
            begin = time.monotonic()
            while time.monotonic() - begin < SECONDS:
                number = len(memory)
                disturb(watcher, goals, number, sent)
                watcher.spin(ROUND)
                memory.append(program.memory())
                threads.append(program.threads())
                files.append(program.files())
            watcher.repeat(lambda: [goal.ask() for goal in sent], lambda: all(goal.outcome for goal in sent), SOON)
        watcher.spin(5.0)
        answers = [one for one in watcher.answers if one.at > begin]
        work.append(work_an_answer(program, watcher))
        watcher.wait_for_diagnostics()
        lost = sum(goal.is_lost for goal in sent)
        succeeded = sum(goal.outcome.result.success for goal in sent)
        failed = [goal.outcome.result.message for goal in sent if goal.outcome.result.message]
        early, late = fifth(memory, 1), fifth(memory, 4)
        ages = [one.age for one in answers]
        gaps = np.diff([begin, *(one.at for one in answers)]).tolist()
        # Ages in turns of the model, so that a machine that others slow down is no queue that grows.
        turns = [fifth(ages, number) / fifth(gaps, number) for number in (1, 4)]
        note(
            seconds=SECONDS,
            frames_a_second_offered=RATE,
            memory_at_the_beginning_MB=memory[0],
            memory_by_fifths_MB=", ".join(f"{fifth(memory, number):.0f}" for number in range(5)),
            memory_at_most_MB=max(memory),
            threads=f"{min(threads)} to {max(threads)}",
            open_files=f"{min(files)} to {max(files)}",
            answers=len(answers),
            age_p50_in_the_second_fifth_s=fifth(ages, 1),
            age_p50_in_the_last_fifth_s=fifth(ages, 4),
            age_in_turns_of_the_model=f"{turns[0]:.2f}, then {turns[1]:.2f}",
            processor_seconds_an_answer=f"{work[0]:.2f} before, {work[1]:.2f} after",
            longest_time_without_an_answer_s=max(gaps),
            goals_that_succeeded=f"{succeeded} of {len(sent)}",
            goals_whose_result_was_lost=lost,
            goals_that_skipped_a_broken_image=sum(goal.skipped > 0 for goal in sent),
            why_other_goals_failed=failed,
            errors=int(watcher.diagnostics["perception"]["errors"]),
            **{name: value for name, value in watcher.counted().items() if name != "answers"},
        )
        assert program.runs
        assert late - early < GROWTH
        assert max(threads[len(threads) // 5 :]) <= max(threads[: len(threads) // 5 + 1]) + 1
        assert max(files[-len(files) // 5 :]) <= max(files[: 2 * len(files) // 5 + 1]) + 8
        assert turns[1] < 2 * turns[0] + 1
        assert work[1] < 2 * work[0]
        assert failed == []
        assert succeeded + lost == len(sent)
        assert lost == 0 or max(gaps) > STOOD_STILL  # DDS forgets whom it does not hear of for 20 seconds
        assert_in_order(watcher)
        goals.destroy()
    assert program.stop() == 0


def disturb(watcher: Watcher, goals: Any, number: int, sent: list[SentGoal]) -> None:
    """Another instruction stands, one ends, a broken image comes, a goal is sent if none is under way."""
    watcher.standing.publish(Instruction(id=f"extra{number % 3}", text=SENTENCES[number % 4], priority=number % 10))
    watcher.standing.publish(Instruction(id=f"extra{(number + 1) % 3}", text=""))
    watcher.show("left", number, step=1)
    if number % 3:
        return
    if all(goal.outcome for goal in sent):
        sent.append(send(goals, watcher, Perceive.Goal(instruction=SENTENCES[number // 3 % 4], cameras=["*"])))
    else:
        sent[-1].ask()


def fifth(values: list[float], number: int) -> float:
    """Median of one fifth of a series, 0 the first."""
    length = max(len(values) // 5, 1)
    return float(np.median(values[number * length : (number + 1) * length]))


def work_an_answer(program: Any, watcher: Watcher) -> float:
    """Processor seconds of the node for one answer to the instruction that always stands, with nothing else to do."""
    for number in range(3):
        watcher.standing.publish(Instruction(id=f"extra{number}", text=""))
    watcher.seconds_an_answer("right", 1)
    spent, before = program.processor_seconds(), len(watcher.answers)
    watcher.seconds_an_answer("left", 7)
    return float(program.processor_seconds() - spent) / (len(watcher.answers) - before)
