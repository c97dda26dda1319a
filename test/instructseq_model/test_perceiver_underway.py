"""What can be seen of an answer that is under way, and ending one before it is done."""

import time
from typing import Any

import numpy as np
import pytest

from instructseq_model.errors import StoppedError
from instructseq_model.model import InstructSeq
from instructseq_model.partial import DECIDED, Partial
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Task
from instructseq_model.question import Question

from .tiny_perceiver import check, picture, same


@pytest.mark.parametrize("task", list(Task))
def test_progress_is_told_and_may_stop_the_work_without_harm(perceiver: Perceiver, task: Task) -> None:
    told: list[tuple[str, float]] = []

    def stop(stage: str, share: float) -> None:
        told.append((stage, share))
        if stage == "decode":
            raise InterruptedError

    arguments: dict[str, Any] = {"task": task, "label_set": "household"}
    with pytest.raises(InterruptedError):
        perceiver(picture(), "mug", progress=stop, **arguments)
    assert told[0] == ("encode", 0.0)
    told.clear()
    perceiver(picture(), "mug", progress=lambda stage, share: told.append((stage, share)), **arguments)
    shares = [share for stage, share in told if stage == "decode"]
    assert shares == sorted(shares)
    assert 0 < shares[0] <= shares[-1] <= 1


@pytest.mark.parametrize("task", list(Task))
def test_work_is_stopped_between_any_two_passes_and_goes_well_afterwards(perceiver: Perceiver, task: Task) -> None:
    arguments: dict[str, Any] = {"task": task, "label_set": "household"}
    expected = perceiver(picture(), "mug", **arguments)
    asked = 0

    def count() -> bool:
        nonlocal asked
        asked += 1
        return False

    same(Perceiver(perceiver.model)(picture(), "mug", should_stop=count, **arguments), expected)
    assert asked > 2
    for last in (1, 2, asked):
        left = iter([*[False] * (last - 1), True])
        with pytest.raises(StoppedError, match="ask again"):
            Perceiver(perceiver.model)(picture(), "mug", should_stop=lambda left=left: next(left), **arguments)
    same(perceiver(picture(), "mug", **arguments), expected)


@pytest.mark.parametrize("samples", [1, 2])
def test_answers_under_way_lead_to_the_answer(perceiver: Perceiver, samples: int) -> None:
    # One pixel a cell of the map, so that confidence is that of the token.
    questions = [
        Question(image=picture(4, 4), instruction=words, task=task, label_set="household", samples=samples)
        for words, task in [
            ("the mug", Task.SEGMENTATION),
            ("the bowl", Task.SEGMENTATION),
            ("all", Task.SEMANTIC),
            ("describe it", Task.CAPTION),
            ("find it", Task.DETECTION),
        ]
    ]
    expected = Perceiver(perceiver.model).batch(questions)
    seen: dict[int, list[Partial]] = {}

    def watch(read: Any) -> None:
        for number, partial in read().items():
            seen.setdefault(number, []).append(partial)

    found = Perceiver(perceiver.model, window=3).batch(questions, watch=watch)
    for answer, other in zip(found, expected, strict=True):
        same(answer, other)
    assert {0, 1, 2, 3} <= set(seen)
    for number in (0, 1, 2):
        check(seen[number][0].perception, found[number].task, 4, 4)
        decided = [np.count_nonzero(partial.decided == DECIDED) for partial in seen[number]]
        assert decided == sorted(decided)
        assert 0 < decided[0] < decided[-1] <= 16
        last = seen[number][-1]
        assert last.perception.confidence is not None
        assert not last.perception.confidence[last.decided != DECIDED].any()
        if samples == 1:
            is_final = last.decided == DECIDED
            np.testing.assert_allclose(
                last.perception.confidence[is_final], found[number].confidence[is_final], atol=1e-5
            )
    assert all(partial.perception.caption for partial in seen[3])


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("task", "samples"),
    [(task, samples) for task in (Task.SEGMENTATION, Task.SEMANTIC, Task.DETECTION) for samples in (1, 4, 10)]
    + [(Task.CAPTION, 1)],
)
def test_it_can_be_stopped_every_fifty_milliseconds(shipped_model: InstructSeq, task: Task, samples: int) -> None:
    """In the processor time of this thread, so that a busy machine does not matter; all answers under way are read."""
    perceiver = Perceiver(shipped_model, window=64)
    asked: list[float] = []

    def ask(*_: object) -> bool:
        asked.append(time.thread_time())
        return False

    def watch(read: Any) -> None:
        ask()
        read()
        ask()

    question = Question(image=picture(640, 480), instruction="mark the mug", task=task, samples=samples)
    perceiver.batch([question])
    perceiver.forget()
    asked[:] = [time.thread_time()]
    perceiver.batch([question], progress=lambda stage, share: None, should_stop=ask, watch=watch)
    asked.append(time.thread_time())
    assert len(asked) > 100
    assert np.diff(asked).max() < 0.05
