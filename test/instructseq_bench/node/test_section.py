"""The node's section over DDS, with the shipped checkpoint: an untrained one would not answer with masks."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

from instructseq_bench.node.section import measure_node, round_trip_rows
from instructseq_bench.setting import Setting
from instructseq_model.checkpoint_folders import DEFAULT, checkpoint_roots


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + os.getpid() % 101))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


@pytest.mark.usefixtures("own_environment")
def test_masks_come_back_through_node_and_echo(make_setting: Callable[..., Setting]) -> None:
    folder = next((root / DEFAULT for root in checkpoint_roots() if (root / DEFAULT / "manifest.json").is_file()), None)
    if folder is None:
        pytest.skip("no checkpoint is shipped here")
    rows = {row.name: row for row in measure_node(make_setting(checkpoint=folder))}
    latency = rows["node/latency"]
    assert latency.ours is not None
    assert latency.peer is not None
    assert rows["node/overhead"].ours is not None
    assert {"node/missed at 5 Hz", "node/peak of node", "node/peak of echo"} <= set(rows)
    assert "mean / p95 / max" in rows["node/latency at 5 Hz"].notes


def test_overhead_is_what_each_round_took_beyond_its_parts() -> None:
    series = {"node": [0.3, 0.5, 0.31], "echo": [0.01, 0.03, 0.01], "bare": [0.25, 0.44, 0.29]}
    latency, overhead = round_trip_rows(series)
    assert latency.ours == pytest.approx(310.0)
    assert latency.peer == pytest.approx(300.0)
    assert overhead.ours == pytest.approx(30.0)  # of 40, 30 and 10; the medians' difference is 10
