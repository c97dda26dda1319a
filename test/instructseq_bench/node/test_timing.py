"""Latency, jitter and misses of made-up frames."""

from __future__ import annotations

import math

import pytest

from instructseq_bench.node.timing import Played, timing


def test_latencies_jitter_and_misses_are_those_counted_by_hand() -> None:
    sent = {0: 0.0, 1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}
    arrived = {0: 0.03, 1: 0.14, 2: 0.23, 4: 0.45}  # latencies 30, 40, 30, 50 ms; intervals 110, 90, 220 ms
    found = timing(Played(sent=sent, arrived=arrived))
    assert found.mean == pytest.approx(0.0375)
    assert found.latencies == pytest.approx((0.03, 0.04, 0.03, 0.05))
    assert found.most == pytest.approx(0.05)
    assert found.p95 == pytest.approx(0.0485)
    assert found.jitter == pytest.approx((0.02 + 0.13) / 2)
    assert found.missed == pytest.approx(0.2)
    assert found.sent_rate == pytest.approx(10)
    assert found.frames == 5


def test_one_frame_of_twenty_is_five_percent_to_the_last_bit() -> None:
    sent = {number: number / 10 for number in range(20)}
    assert timing(Played(sent=sent, arrived={number: sent[number] for number in range(19)})).missed == 0.05


def test_without_answers_all_is_missed_and_nothing_is_made_up() -> None:
    found = timing(Played(sent={0: 0.0, 1: 1.0}, arrived={}))
    assert found.missed == 1
    assert all(math.isnan(value) for value in (found.mean, found.p95, found.most, found.jitter))


def test_a_steady_stream_has_no_jitter() -> None:
    sent = {number: number / 10 for number in range(20)}
    found = timing(Played(sent=sent, arrived={number: moment + 0.02 for number, moment in sent.items()}))
    assert found.jitter == pytest.approx(0, abs=1e-9)
    assert found.missed == 0
