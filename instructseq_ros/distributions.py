"""Where ROS 2 distributions differ in what this package uses. All other modules are the same for every one of them.

What looks like a difference and is none is kept one by rules that a test watches: classes of rclpy are subscripted in
annotations only (generic from Kilted on), and parameters are followed through the callback that runs before a change
(Humble has none that runs after it). Nothing of ROS is imported before it is used.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from types import ModuleType
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """One release of ROS 2.

    Attributes:
        name: as in ROS_DISTRO.
        python: version of the interpreter that its packages are built for on its first platform.
        platform: that platform.
        only_this_machine: environment variables that keep discovery on this machine.
        fast_dds_settings: environment variable that names a file of settings for Fast DDS.
        events_module: module of rclpy that holds the callbacks for events of quality of service.
        bag_version: newest version of a bag's metadata.yaml that its `ros2 bag` reads.
        type_hashes: whether messages have hashes of their definition (REP 2016).
        bags_are_mcap: whether `ros2 bag` reads and writes mcap without a package of its own.
    """

    name: str
    python: tuple[int, int]
    platform: str
    only_this_machine: Mapping[str, str]
    fast_dds_settings: str
    events_module: str
    bag_version: Literal[8, 9]
    type_hashes: bool
    bags_are_mcap: bool


_RANGE = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}

HUMBLE = Distribution(
    name="humble",
    python=(3, 10),
    platform="Ubuntu 22.04",
    only_this_machine={"ROS_LOCALHOST_ONLY": "1"},  # Iron deprecated it and brought the range
    fast_dds_settings="FASTRTPS_DEFAULT_PROFILES_FILE",  # renamed in Fast DDS 2.12
    events_module="rclpy.qos_event",  # renamed in Iron
    bag_version=8,  # 9 came with Iron
    type_hashes=False,  # came with Iron
    bags_are_mcap=False,  # rosbag2_storage_mcap is installed apart; Iron made it the default
)
JAZZY = Distribution(
    name="jazzy",
    python=(3, 12),
    platform="Ubuntu 24.04",
    only_this_machine=_RANGE,
    fast_dds_settings="FASTDDS_DEFAULT_PROFILES_FILE",
    events_module="rclpy.event_handler",
    bag_version=9,
    type_hashes=True,
    bags_are_mcap=True,
)
KILTED = Distribution(
    name="kilted",
    python=(3, 12),
    platform="Ubuntu 24.04",
    only_this_machine=_RANGE,
    fast_dds_settings="FASTDDS_DEFAULT_PROFILES_FILE",
    events_module="rclpy.event_handler",
    bag_version=9,
    type_hashes=True,
    bags_are_mcap=True,
)
LYRICAL = Distribution(
    name="lyrical",
    python=(3, 14),
    platform="Ubuntu 26.04",
    only_this_machine=_RANGE,
    fast_dds_settings="FASTDDS_DEFAULT_PROFILES_FILE",
    events_module="rclpy.event_handler",
    bag_version=9,
    type_hashes=True,
    bags_are_mcap=True,
)
DISTRIBUTIONS: dict[str, Distribution] = {one.name: one for one in (HUMBLE, JAZZY, KILTED, LYRICAL)}
"""Those that are supported, oldest first."""

COMMON_BAG_VERSION: Literal[8, 9] = min(one.bag_version for one in DISTRIBUTIONS.values())
"""Of metadata.yaml: what every supported distribution reads."""


def distribution(name: str | None = None) -> Distribution:
    """The distribution in use.

    Args:
        name: its name; None takes ROS_DISTRO. One that is not known counts as the newest: what has changed stays so.
    """
    newest = list(DISTRIBUTIONS.values())[-1]
    return DISTRIBUTIONS.get(os.environ.get("ROS_DISTRO", "") if name is None else name, newest)


def stay_on_this_machine(environment: MutableMapping[str, str]) -> None:
    """Keep nodes that start with this environment to this machine, unless it says otherwise already.

    Args:
        environment: such as `os.environ`; changed in place.
    """
    for variable, value in distribution(environment.get("ROS_DISTRO", "")).only_this_machine.items():
        environment.setdefault(variable, value)


def qos_events() -> ModuleType:
    """The module of rclpy with `SubscriptionEventCallbacks` and `PublisherEventCallbacks`."""
    return importlib.import_module(distribution().events_module)
