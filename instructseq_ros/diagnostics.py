"""How the node is doing, on /diagnostics: one status for its work, one for each camera, one for its device."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from instructseq_ros.device_health import DeviceHealth
from instructseq_ros.metrics import STAGES, CameraSnapshot, Drop, Percentiles, Snapshot
from instructseq_ros.parameters import Settings
from instructseq_ros.standing import Standing

Values = list[tuple[str, str]]
Finding = tuple[bytes, str]
"""A level and a sentence."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What the node knows of itself besides its counters.

    Attributes:
        state: label of the lifecycle state.
        instructions: those that stand.
        topics: full names of the image topics, by camera.
        failure: why the node could not be configured, empty if it could.
        device: where the model runs now.
        lost: what is said of a device that was lost, empty if none was.
    """

    state: str
    instructions: Sequence[Standing] = ()
    topics: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""
    device: str = ""
    lost: str = ""


def statuses(
    name: str, snapshot: Snapshot, condition: Condition, settings: Settings, health: DeviceHealth
) -> list[DiagnosticStatus]:
    """All that the node says of itself, its work first.

    Args:
        name: full name of the node.
        snapshot: its counters.
        condition: the rest of its state.
        settings: its parameters, thresholds among them.
        health: of process and device.
    """

    def status(part: str, found: Finding, values: Values) -> DiagnosticStatus:
        held = [KeyValue(key=key, value=value) for key, value in values]
        hardware = condition.device or settings.device
        return DiagnosticStatus(
            level=found[0], name=f"{name}: {part}", message=found[1], hardware_id=hardware, values=held
        )

    made = [status("perception", _work(snapshot, condition, settings), _work_values(snapshot, condition, settings))]
    for camera, topic in condition.topics.items():
        counted = snapshot.cameras.get(camera, CameraSnapshot())
        found = _camera(counted, topic, condition, settings)
        made.append(status(f"camera {camera}".rstrip(), found, _camera_values(counted, topic)))
    values = _device_values(condition, settings, health)
    return [*made, status("device", _device(condition, settings, health), values)]


def _work(snapshot: Snapshot, condition: Condition, settings: Settings) -> Finding:
    """The level, and in one sentence what is going on."""
    if condition.failure:
        return DiagnosticStatus.ERROR, condition.failure
    if condition.state != "active":
        return DiagnosticStatus.OK, f"the node is {condition.state}"
    recent = snapshot.seconds_since_error is not None and snapshot.seconds_since_error < settings.stale_after
    if snapshot.failures >= settings.error_after:
        words = f"{snapshot.failures} failures since the last answer, the last one: {snapshot.last_error}"
        return DiagnosticStatus.ERROR, words
    if recent:
        return DiagnosticStatus.WARN, snapshot.last_error
    if not condition.instructions:
        return DiagnosticStatus.OK, "waiting for an instruction"
    silent = [
        topic
        for camera, topic in condition.topics.items()
        if _is_stale(snapshot.cameras.get(camera, CameraSnapshot()), settings)
    ]
    if silent:
        words = f"no frames come on {', '.join(silent)}: check the camera and the remapping"
        return DiagnosticStatus.WARN, words
    p95 = snapshot.latency["total"][1] if "total" in snapshot.latency else 0.0
    if 0 < settings.warn_latency < p95:
        words = f"the 95th percentile of the latency is {p95:.2f} s, above {settings.warn_latency:g} s"
        return DiagnosticStatus.WARN, words
    return DiagnosticStatus.OK, f"carrying out: {'; '.join(one.text for one in condition.instructions)}"


def _work_values(snapshot: Snapshot, condition: Condition, settings: Settings) -> Values:
    values = [
        ("state", condition.state),
        ("instruction", next((one.text for one in condition.instructions if not one.id), "")),
        ("instructions", "; ".join(_instruction_words(one) for one in condition.instructions)),
        ("image topic", ", ".join(condition.topics.values())),
        ("checkpoint", settings.checkpoint or "default"),
        ("backend", f"{settings.backend or 'torch'} on {condition.device or settings.device}"),
        ("frames received", str(snapshot.frames)),
        ("frames replaced before they were processed", str(snapshot.dropped(Drop.REPLACED))),
        ("answers", str(snapshot.answers)),
        ("frames per second", f"{sum(camera.rate for camera in snapshot.cameras.values()):.2f}"),
        ("answers per second", f"{snapshot.answer_rate:.2f}"),
    ]
    for stage in STAGES:
        name = "latency" if stage == "total" else stage
        values += _percentile_values(name, snapshot.latency.get(stage))
    return [
        *values,
        ("errors", str(snapshot.errors)),
        ("failures since the last answer", str(snapshot.failures)),
        ("last error", snapshot.last_error),
        ("time of the last error", _moment(snapshot.last_error_at)),
    ]


def _camera(counted: CameraSnapshot, topic: str, condition: Condition, settings: Settings) -> Finding:
    if condition.state != "active":
        return DiagnosticStatus.OK, f"the node is {condition.state}"
    if _is_stale(counted, settings):
        since = counted.seconds_since_frame
        ago = "ever" if since is None else f"for {since:.0f} s"
        return DiagnosticStatus.STALE, f"no frame came on {topic} {ago}: check the camera and the remapping"
    if counted.rate < settings.warn_frame_rate:
        words = f"{counted.rate:.1f} frames a second come, fewer than {settings.warn_frame_rate:g}"
        return DiagnosticStatus.WARN, words
    age = counted.age[1] if counted.age is not None else 0.0
    if 0 < settings.warn_frame_age < age:
        words = f"frames are {age:.2f} s old when they come, above {settings.warn_frame_age:g} s: check clocks and load"
        return DiagnosticStatus.WARN, words
    return DiagnosticStatus.OK, f"{counted.rate:.1f} frames a second"


def _camera_values(counted: CameraSnapshot, topic: str) -> Values:
    return [
        ("topic", topic),
        ("frames received", str(counted.frames)),
        ("frames per second", f"{counted.rate:.2f}"),
        *_percentile_values("age", counted.age),
        *((f"dropped: {cause.value}", str(counted.drops.get(cause, 0))) for cause in Drop),
    ]


def _device(condition: Condition, settings: Settings, health: DeviceHealth) -> Finding:
    if condition.lost and condition.device in ("", settings.device):
        return DiagnosticStatus.ERROR, condition.lost
    if condition.lost:
        return DiagnosticStatus.WARN, f"the model runs on {condition.device} instead: {condition.lost}"
    if health.temperature is not None and 0 < settings.warn_temperature < health.temperature:
        words = f"{health.temperature:.0f} °C, above {settings.warn_temperature:g} °C"
        return DiagnosticStatus.WARN, words
    if health.memory is not None and 0 < settings.warn_memory < health.memory:
        words = f"the process holds {health.memory:.0f} MB, above {settings.warn_memory} MB"
        return DiagnosticStatus.WARN, words
    return DiagnosticStatus.OK, condition.device or "no model is loaded"


def _device_values(condition: Condition, settings: Settings, health: DeviceHealth) -> Values:
    return [
        ("device", condition.device),
        ("device asked for", settings.device),
        ("memory of the process MB", _number(health.memory)),
        ("memory on the device MB", _number(health.device_memory)),
        ("temperature °C", _number(health.temperature)),
    ]


def _is_stale(counted: CameraSnapshot, settings: Settings) -> bool:
    return counted.seconds_since_frame is None or counted.seconds_since_frame > settings.stale_after


def _instruction_words(one: Standing) -> str:
    where = f" on {', '.join(one.cameras)}" if one.cameras else ""
    return f"{one.id or 'topic'} (priority {one.priority}){where}: {one.text}"


def _percentile_values(name: str, found: Percentiles | None) -> Values:
    values = found or (float("nan"),) * 3
    return [(f"{name} {p} ms", f"{value * 1000:.1f}") for p, value in zip(("p50", "p95", "p99"), values, strict=True)]


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f}"


def _moment(at: float | None) -> str:
    return "" if at is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
