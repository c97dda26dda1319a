"""The level and the sentence for every condition that a person looks for."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("diagnostic_msgs.msg", reason="ROS 2 is not set up in this shell: . scripts/env.sh")

from diagnostic_msgs.msg import DiagnosticStatus

from instructseq_ros.diagnostics import Condition, status_message
from instructseq_ros.metrics import Metrics, Snapshot
from instructseq_ros.parameters import PARAMETERS, settings_of

SETTINGS = settings_of({spec.name: spec.default for spec in PARAMETERS})
ACTIVE = Condition(state="active", instruction="mark the mug", image_topic="/camera/image", failure="")


def snapshot(**changes: object) -> Snapshot:
    return dataclasses.replace(Metrics().snapshot(), **{"seconds_since_frame": 0.1, **changes})


@pytest.mark.parametrize(
    ("changes", "condition", "level", "words"),
    [
        ({}, ACTIVE, DiagnosticStatus.OK, "carrying out: mark the mug"),
        ({}, dataclasses.replace(ACTIVE, instruction=""), DiagnosticStatus.OK, "waiting for an instruction"),
        ({}, dataclasses.replace(ACTIVE, state="inactive"), DiagnosticStatus.OK, "the node is inactive"),
        ({"seconds_since_frame": None}, ACTIVE, DiagnosticStatus.WARN, "no frames come on /camera/image"),
        ({"seconds_since_frame": 6.0}, ACTIVE, DiagnosticStatus.WARN, "no frames come on /camera/image"),
        ({"seconds_since_error": 1.0, "last_error": "bad"}, ACTIVE, DiagnosticStatus.WARN, "bad"),
        ({"seconds_since_error": 9.0, "last_error": "bad"}, ACTIVE, DiagnosticStatus.OK, "carrying out"),
        ({}, dataclasses.replace(ACTIVE, failure="no model"), DiagnosticStatus.ERROR, "no model"),
    ],
)
def test_level_and_sentence(changes: dict[str, object], condition: Condition, level: bytes, words: str) -> None:
    status = status_message("arm/instructseq", snapshot(**changes), condition, SETTINGS)
    assert status.level == level
    assert status.message.startswith(words)
    assert status.name == "arm/instructseq: perception"


def test_values_have_units_and_percentiles_are_in_milliseconds() -> None:
    status = status_message("n", snapshot(latency=(0.1, 0.25, 0.5), frame_rate=29.97, replaced=3), ACTIVE, SETTINGS)
    values = {item.key: item.value for item in status.values}
    assert (values["latency p50 ms"], values["latency p95 ms"], values["latency p99 ms"]) == ("100.0", "250.0", "500.0")
    assert values["frames per second"] == "29.97"
    assert values["frames replaced before they were processed"] == "3"
