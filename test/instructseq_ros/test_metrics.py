"""Counts, rates and percentiles against hand counts, on a clock that the test sets."""

from __future__ import annotations

import pytest

from instructseq_ros.metrics import Drop, Metrics


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def watched(clock: Clock) -> Metrics:
    metrics = Metrics(clock=clock, calendar=lambda: clock.now + 1e9)
    metrics.watch(("left", "right"))
    return metrics


def test_fresh_metrics_are_empty() -> None:
    snapshot = watched(Clock()).snapshot()
    assert (snapshot.frames, snapshot.answers, snapshot.errors, snapshot.failures) == (0, 0, 0, 0)
    assert snapshot.latency == {}
    assert snapshot.cameras["left"].seconds_since_frame is None
    assert snapshot.cameras["left"].age is None
    assert (snapshot.seconds_since_error, snapshot.last_error_at) == (None, None)


def test_rates_are_means_over_the_last_ten_seconds_by_camera() -> None:
    clock = Clock()
    metrics = watched(clock)
    for index in range(40):  # 2 frames per second for 20 seconds, every fourth one answered
        clock.now += 0.5
        metrics.frame("left")
        if index % 4 == 0:
            metrics.answer(total=0.2)
    snapshot = metrics.snapshot()
    assert (snapshot.frames, snapshot.cameras["right"].frames) == (40, 0)
    assert snapshot.cameras["left"].rate == pytest.approx(2.0, abs=0.11)
    assert snapshot.answer_rate == pytest.approx(0.5, abs=0.11)


def test_rates_of_a_young_node_are_not_diluted() -> None:
    clock = Clock()
    metrics = watched(clock)
    for _ in range(4):
        clock.now += 0.5
        metrics.frame("left")
    assert metrics.snapshot().cameras["left"].rate == pytest.approx(2.0)


def test_latency_percentiles_by_stage_and_ages_of_frames() -> None:
    metrics = watched(Clock())
    for milliseconds in range(1, 101):
        metrics.answer(decode=milliseconds / 1000, publish=0.5)
        metrics.frame("right", age=milliseconds / 1000)
    snapshot = metrics.snapshot()
    assert snapshot.latency["decode"] == pytest.approx((0.0505, 0.09505, 0.09901))
    assert snapshot.latency["publish"] == pytest.approx((0.5, 0.5, 0.5))
    assert "total" not in snapshot.latency
    assert snapshot.cameras["right"].age == pytest.approx((0.0505, 0.09505, 0.09901))


def test_last_error_its_age_and_failures_since_the_last_answer() -> None:
    clock = Clock()
    metrics = watched(clock)
    metrics.error("zeroth")
    metrics.answer(total=0.1)
    metrics.error("first")
    metrics.error("second")
    clock.now += 3
    snapshot = metrics.snapshot()
    assert (snapshot.errors, snapshot.failures, snapshot.last_error) == (3, 2, "second")
    assert (snapshot.seconds_since_error, snapshot.last_error_at) == (3.0, 1e9 + 100.0)


def test_drops_by_cause_and_only_of_cameras_that_are_watched() -> None:
    metrics = watched(Clock())
    for cause in (Drop.LATE, Drop.REPLACED, Drop.REPLACED):
        metrics.drop("left", cause)
    metrics.drop("nobody", Drop.LATE)
    snapshot = metrics.snapshot()
    assert snapshot.cameras["left"].drops == {Drop.LATE: 1, Drop.REPLACED: 2}
    assert (snapshot.dropped(Drop.REPLACED), snapshot.dropped(Drop.LATE)) == (2, 1)
    assert set(snapshot.cameras) == {"left", "right"}
