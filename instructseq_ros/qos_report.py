"""What to say when the two ends of a topic have incompatible quality of service: both profiles, and the fix."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from enum import IntEnum
from typing import Any

from rclpy.duration import Duration, Infinite
from rclpy.node import Node
from rclpy.qos import LivelinessPolicy, QoSCompatibility, QoSProfile, qos_check_compatible

_POLICIES = ("reliability", "durability")
"""Those that two ends have to agree on and that parameters can set; history and depth are each end's own affair."""


def profile_words(profile: QoSProfile) -> str:
    """A profile in the words of parameter files, as far as two ends have to agree."""
    return ", ".join(f"{name} {_value(profile, name)}" for name in _POLICIES)


def subscription_report(node: Node, topic: str, own: QoSProfile) -> list[str]:
    """One sentence for each publisher of a topic that a subscription with this profile cannot hear.

    Args:
        node: that subscribes.
        topic: its full name.
        own: the subscription's profile.
    """
    return [
        f"{_name(other)} publishes {topic} with {profile_words(other.qos_profile)}, and this node subscribes with "
        f"{profile_words(own)}: {_reason(other.qos_profile, own)}. No message arrives. "
        + _fix(topic, "subscription", offered=other.qos_profile, requested=own)
        for other in node.get_publishers_info_by_topic(topic)
        if not _fits(other.qos_profile, own)
    ]


def publisher_report(node: Node, topic: str, own: QoSProfile) -> list[str]:
    """One sentence for each subscription of a topic that cannot hear a publisher with this profile."""
    return [
        f"{_name(other)} subscribes to {topic} with {profile_words(other.qos_profile)}, and this node publishes with "
        f"{profile_words(own)}: {_reason(own, other.qos_profile)}. No message arrives there. "
        + _fix(topic, "publisher", offered=own, requested=other.qos_profile)
        for other in node.get_subscriptions_info_by_topic(topic)
        if not _fits(own, other.qos_profile)
    ]


def _fix(topic: str, side: str, *, offered: QoSProfile, requested: QoSProfile) -> str:
    """The parameters that make this node's side fit."""
    wanted = offered if side == "subscription" else requested
    unequal: Sequence[str] = [
        name for name in ("reliability", "durability") if _value(offered, name) != _value(requested, name)
    ]
    lines = ", ".join(f"qos_overrides.{topic}.{side}.{name}: {_value(wanted, name)}" for name in unequal)
    return f"Set in the node's parameter file {lines}, or change the other side."


def _fits(offered: QoSProfile, requested: QoSProfile) -> bool:
    return int(_compared(offered, requested)[0]) != int(QoSCompatibility.ERROR)


def _reason(offered: QoSProfile, requested: QoSProfile) -> str:
    return str(_compared(offered, requested)[1]).strip().rstrip(";.")


def _compared(offered: QoSProfile, requested: QoSProfile) -> tuple[QoSCompatibility, str]:
    return qos_check_compatible(_spelled_out(offered), _spelled_out(requested))


def _spelled_out(profile: QoSProfile) -> QoSProfile:
    """The profile with defaults as discovery tells them: to a comparison, a deadline of 0 and none at all differ."""
    found = copy(profile)
    if found.deadline == Duration():
        found.deadline = Infinite
    if found.liveliness_lease_duration == Duration():
        found.liveliness_lease_duration = Infinite
    if found.liveliness == LivelinessPolicy.SYSTEM_DEFAULT:
        found.liveliness = LivelinessPolicy.AUTOMATIC
    return found


def _name(end: Any) -> str:
    return f"{end.node_namespace.rstrip('/')}/{end.node_name}"


def _value(profile: QoSProfile, name: str) -> str:
    value = getattr(profile, name)
    return str(value.name.lower() if isinstance(value, IntEnum) else value)
