"""The level and the sentence for every condition that a person looks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("diagnostic_msgs.msg", reason="ROS 2 is not set up in this shell: . scripts/env.sh")

from diagnostic_msgs.msg import DiagnosticStatus

from instructseq_ros.device_health import DeviceHealth
from instructseq_ros.diagnostics import Condition, statuses
from instructseq_ros.metrics import CameraSnapshot, Drop, Metrics, Snapshot
from instructseq_ros.parameters import PARAMETERS, settings_of
from instructseq_ros.standing import Standing

SETTINGS = settings_of({spec.name: spec.default for spec in PARAMETERS})
MUG = Standing(id="", number=1, text="mark the mug")
ACTIVE = Condition(state="active", instructions=(MUG,), topics={"": "/camera/image"}, device="cpu")
FRESH = CameraSnapshot(seconds_since_frame=0.1, rate=30.0)
OK, WARN, ERROR, STALE = (getattr(DiagnosticStatus, name) for name in ("OK", "WARN", "ERROR", "STALE"))


def snapshot(**changes: Any) -> Snapshot:
    return replace(Metrics().snapshot(), **{"cameras": {"": FRESH}, **changes})


def all_of(
    changes: dict[str, Any] | None = None, condition: Condition = ACTIVE, health: DeviceHealth | None = None, **own: Any
) -> list[DiagnosticStatus]:
    settings = replace(SETTINGS, **own)
    return statuses("arm/instructseq", snapshot(**changes or {}), condition, settings, health or DeviceHealth())


def of_camera(**changes: Any) -> dict[str, Any]:
    return {"cameras": {"": replace(FRESH, **changes)}}


@pytest.mark.parametrize(
    ("changes", "condition", "own", "level", "words"),
    [
        ({}, ACTIVE, {}, OK, "carrying out: mark the mug"),
        ({}, replace(ACTIVE, instructions=()), {}, OK, "waiting for an instruction"),
        ({}, replace(ACTIVE, state="inactive"), {}, OK, "the node is inactive"),
        (of_camera(seconds_since_frame=None), ACTIVE, {}, WARN, "no frames come on /camera/image"),
        (of_camera(seconds_since_frame=6.0), ACTIVE, {}, WARN, "no frames come on /camera/image"),
        (of_camera(seconds_since_frame=6.0), ACTIVE, {"stale_after": 7.0}, OK, "carrying out"),
        ({"seconds_since_error": 1.0, "last_error": "bad", "failures": 4}, ACTIVE, {}, WARN, "bad"),
        ({"seconds_since_error": 9.0, "last_error": "bad", "failures": 4}, ACTIVE, {}, OK, "carrying out"),
        (
            {"last_error": "bad", "failures": 5},
            ACTIVE,
            {},
            ERROR,
            "5 failures since the last answer, the last one: bad",
        ),
        ({"latency": {"total": (0.1, 0.6, 0.7)}}, ACTIVE, {"warn_latency": 0.5}, WARN, "the 95th percentile"),
        ({"latency": {"total": (0.1, 0.6, 0.7)}}, ACTIVE, {}, OK, "carrying out"),
        ({}, replace(ACTIVE, failure="no model"), {}, ERROR, "no model"),
    ],
)
def test_level_and_sentence_of_the_work(
    changes: dict[str, Any], condition: Condition, own: dict[str, Any], level: bytes, words: str
) -> None:
    status = all_of(changes, condition, **own)[0]
    assert status.level == level
    assert status.message.startswith(words)
    assert (status.name, status.hardware_id) == ("arm/instructseq: perception", "cpu")


@pytest.mark.parametrize(
    ("changes", "own", "level", "words"),
    [
        ({}, {}, OK, "30.0 frames a second"),
        ({"seconds_since_frame": None}, {}, STALE, "no frame came on /camera/image ever"),
        ({"seconds_since_frame": 8.0}, {}, STALE, "no frame came on /camera/image for 8 s"),
        ({}, {"warn_frame_rate": 31.0}, WARN, "30.0 frames a second come, fewer than 31"),
        ({"age": (0.1, 0.3, 0.4)}, {"warn_frame_age": 0.2}, WARN, "frames are 0.30 s old"),
        ({"age": (0.1, 0.3, 0.4)}, {}, OK, "30.0 frames"),
    ],
)
def test_level_and_sentence_of_a_camera(changes: dict[str, Any], own: dict[str, Any], level: bytes, words: str) -> None:
    status = all_of(of_camera(**changes), **own)[1]
    assert (status.level, status.name) == (level, "arm/instructseq: camera")
    assert status.message.startswith(words)


@pytest.mark.parametrize(
    ("condition", "health", "own", "level", "words"),
    [
        (ACTIVE, DeviceHealth(temperature=90.0), {}, OK, "cpu"),
        (ACTIVE, DeviceHealth(temperature=90.0), {"warn_temperature": 80.0}, WARN, "90 °C, above 80 °C"),
        (ACTIVE, DeviceHealth(memory=900.0), {"warn_memory": 800}, WARN, "the process holds 900 MB"),
        (
            replace(ACTIVE, lost="gone"),
            DeviceHealth(),
            {"device": "cuda:0"},
            WARN,
            "the model runs on cpu instead: gone",
        ),
        (replace(ACTIVE, lost="gone", device="cuda:0"), DeviceHealth(), {"device": "cuda:0"}, ERROR, "gone"),
    ],
)
def test_level_and_sentence_of_the_device(
    condition: Condition, health: DeviceHealth, own: dict[str, Any], level: bytes, words: str
) -> None:
    status = all_of(None, condition, health, **own)[-1]
    assert (status.level, status.name) == (level, "arm/instructseq: device")
    assert status.message.startswith(words)


def test_values_have_units_and_percentiles_are_in_milliseconds() -> None:
    counted = replace(FRESH, rate=29.97, drops={Drop.REPLACED: 3}, age=(0.01, 0.02, 0.03))
    latency = {"total": (0.1, 0.25, 0.5), "decode": (0.05, 0.06, 0.07)}
    changes = {"cameras": {"": counted}, "latency": latency, "last_error_at": 0.0}
    made = all_of(changes, health=DeviceHealth(memory=512.4))
    work, camera, device = ({item.key: item.value for item in status.values} for status in made)
    assert [work[f"latency {p} ms"] for p in ("p50", "p95", "p99")] == ["100.0", "250.0", "500.0"]
    assert (work["decode p95 ms"], work["publish p50 ms"]) == ("60.0", "nan")
    assert work["frames replaced before they were processed"] == "3"
    assert work["time of the last error"] == "1970-01-01T00:00:00Z"
    assert (camera["frames per second"], camera["dropped: a newer frame came"]) == ("29.97", "3")
    assert camera["age p95 ms"] == "20.0"
    assert (device["memory of the process MB"], device["temperature °C"]) == ("512", "unknown")


def test_every_camera_has_a_status_of_its_own() -> None:
    condition = replace(ACTIVE, topics={"left": "/left/image", "right": "/right/image"})
    names = [status.name for status in all_of({"cameras": {"left": FRESH}}, condition)]
    assert names[1:3] == ["arm/instructseq: camera left", "arm/instructseq: camera right"]
