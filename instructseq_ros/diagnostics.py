"""How the node is doing, as diagnostic_msgs for /diagnostics."""

from __future__ import annotations

from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from instructseq_ros.metrics import Snapshot
from instructseq_ros.parameters import Settings

RECENT_SECONDS = 5.0
"""An error younger than this shows as a warning, and so does a topic on which nothing came for so long."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What the node knows of itself besides its counters.

    Attributes:
        state: label of the lifecycle state.
        instruction: the standing instruction, empty for none.
        image_topic: full name of the topic that frames come from.
        failure: why the node could not be configured, empty if it could.
    """

    state: str
    instruction: str
    image_topic: str
    failure: str


def status_message(name: str, snapshot: Snapshot, condition: Condition, settings: Settings) -> DiagnosticStatus:
    """One status with all counters.

    Args:
        name: full name of the node.
        snapshot: its counters.
        condition: the rest of its state.
        settings: its parameters.
    """
    level, message = _summary(snapshot, condition)
    return DiagnosticStatus(
        level=level,
        name=f"{name}: perception",
        message=message,
        hardware_id=settings.device,
        values=[KeyValue(key=key, value=value) for key, value in _values(snapshot, condition, settings)],
    )


def _summary(snapshot: Snapshot, condition: Condition) -> tuple[bytes, str]:
    """The level, and in one sentence what is going on."""
    if condition.failure:
        return DiagnosticStatus.ERROR, condition.failure
    if condition.state != "active":
        return DiagnosticStatus.OK, f"the node is {condition.state}"
    if snapshot.seconds_since_error is not None and snapshot.seconds_since_error < RECENT_SECONDS:
        return DiagnosticStatus.WARN, snapshot.last_error
    if not condition.instruction:
        return DiagnosticStatus.OK, "waiting for an instruction"
    if snapshot.seconds_since_frame is None or snapshot.seconds_since_frame > RECENT_SECONDS:
        return DiagnosticStatus.WARN, f"no frames come on {condition.image_topic}: check the camera and the remapping"
    return DiagnosticStatus.OK, f"carrying out: {condition.instruction}"


def _values(snapshot: Snapshot, condition: Condition, settings: Settings) -> list[tuple[str, str]]:
    p50, p95, p99 = snapshot.latency or (float("nan"),) * 3
    return [
        ("state", condition.state),
        ("instruction", condition.instruction),
        ("image topic", condition.image_topic),
        ("checkpoint", settings.checkpoint or "default"),
        ("backend", f"torch on {settings.device}"),
        ("frames received", str(snapshot.frames)),
        ("frames replaced before they were processed", str(snapshot.replaced)),
        ("answers", str(snapshot.answers)),
        ("frames per second", f"{snapshot.frame_rate:.2f}"),
        ("answers per second", f"{snapshot.answer_rate:.2f}"),
        ("latency p50 ms", f"{p50 * 1000:.1f}"),
        ("latency p95 ms", f"{p95 * 1000:.1f}"),
        ("latency p99 ms", f"{p99 * 1000:.1f}"),
        ("errors", str(snapshot.errors)),
        ("last error", snapshot.last_error),
    ]
