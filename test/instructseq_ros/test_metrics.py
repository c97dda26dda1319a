"""Counts, rates and percentiles against hand counts, on a clock that the test sets."""

from __future__ import annotations

import pytest

from instructseq_ros.metrics import Metrics


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_fresh_metrics_are_empty() -> None:
    snapshot = Metrics(clock=Clock()).snapshot()
    assert (snapshot.frames, snapshot.answers, snapshot.errors, snapshot.frame_rate) == (0, 0, 0, 0.0)
    assert snapshot.latency is None
    assert snapshot.seconds_since_frame is None
    assert snapshot.seconds_since_error is None


def test_rates_are_means_over_the_last_ten_seconds() -> None:
    clock = Clock()
    metrics = Metrics(clock=clock)
    for index in range(40):  # 2 frames per second for 20 seconds, every fourth one answered
        clock.now += 0.5
        metrics.frame()
        if index % 4 == 0:
            metrics.answer(0.2)
    snapshot = metrics.snapshot()
    assert snapshot.frames == 40
    assert snapshot.frame_rate == pytest.approx(2.0, abs=0.11)
    assert snapshot.answer_rate == pytest.approx(0.5, abs=0.11)


def test_rates_of_a_young_node_are_not_diluted() -> None:
    clock = Clock()
    metrics = Metrics(clock=clock)
    for _ in range(4):
        clock.now += 0.5
        metrics.frame()
    assert metrics.snapshot().frame_rate == pytest.approx(2.0)


def test_latency_percentiles() -> None:
    metrics = Metrics(clock=Clock())
    for milliseconds in range(1, 101):
        metrics.answer(milliseconds / 1000)
    latency = metrics.snapshot().latency
    assert latency == pytest.approx((0.0505, 0.09505, 0.09901))


def test_last_error_and_its_age() -> None:
    clock = Clock()
    metrics = Metrics(clock=clock)
    metrics.error("first")
    metrics.error("second")
    metrics.replaced()
    clock.now += 3
    snapshot = metrics.snapshot()
    assert (snapshot.errors, snapshot.last_error, snapshot.seconds_since_error) == (2, "second", 3.0)
    assert snapshot.replaced == 1
