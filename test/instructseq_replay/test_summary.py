"""What a live node would have answered, and the gaps of a recording."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructseq_replay.frames import FrameKey
from instructseq_replay.scores.scored import ScoredAnswer
from instructseq_replay.summary import live_answers, summarise_times


def stepped(times_ns, cost) -> int:
    """The node in steps of a millisecond: one slot for the newest frame."""
    waiting, free, answered = None, 0, 0
    for now in range(0, int(times_ns[-1] / 1e6) + 1000 * 60):
        for at, time in enumerate(times_ns):
            if time == now * 1_000_000:
                waiting = at
        if waiting is not None and free <= now:
            free, waiting, answered = now + round(cost[waiting] * 1000), None, answered + 1
    return answered


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.1, 0.25, 1.0])
def test_the_newest_frame_waits(seconds):
    times = [number * 100_000_000 for number in range(20)]
    assert live_answers(times, [seconds] * 20) == stepped(times, [seconds] * 20)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.data())
def test_any_times_and_costs(intervals, data):
    times = (np.cumsum(intervals) * 10_000_000).tolist()
    cost = [data.draw(st.integers(1, 50)) / 100 for _ in times]
    assert live_answers(times, cost) == stepped(times, cost)


def test_gaps_are_found_where_frames_are_missing():
    numbers = [0, 1, 2, 3, 7, 8, 9, 10]
    answers = [
        ScoredAnswer(
            bag="bag", key=FrameKey(n * 100_000_000, "/image", 0), stamp_ns=n, instruction="a", seconds=0.02 * (n + 1)
        )
        for n in numbers
    ]
    times = summarise_times(answers, way="offline")
    camera = times["cameras"]["bag /image"]
    assert camera["gaps"] == [{"after_ns": 300_000_000, "seconds": 0.4}]
    assert camera["usual_interval_ms"] == 100
    assert summarise_times(answers, way="in real time", lost=3)["cameras"] == {}
    assert times["latency_ms"]["p50"] == pytest.approx(1000 * np.median([0.02 * (n + 1) for n in numbers]))


def test_processor_time_is_counted_once_a_frame():
    spent = [0.5, 0.7, 0.6, 0.9]
    answers = [
        ScoredAnswer(
            bag="bag", key=FrameKey(n, "/image", 0), stamp_ns=n, instruction=said, seconds=1.0, cpu_seconds=spent[n]
        )
        for n in range(4)
        for said in ("a", "b")
    ]
    times = summarise_times(answers, way="offline")
    assert times["cpu_seconds_a_frame"] == pytest.approx(np.mean(spent))
    assert times["cpu_seconds"] == {
        f"p{share}": pytest.approx(np.percentile(spent, share), abs=1e-3) for share in (50, 95, 99)
    }
    assert summarise_times([], way="offline")["cpu_seconds"] == {}
