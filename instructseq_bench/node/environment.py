"""The environment that the bench's ROS processes share: a domain of their own, and room for raw images."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from instructseq_model.errors import InstructSeqError

PROFILES = {"humble": "FASTRTPS_DEFAULT_PROFILES_FILE"}
"""Name of the variable for Fast DDS's settings where a ROS 2 distribution has another one than the newer ones."""


def prepare_environment() -> None:
    """Check that ROS 2 is there, and set what is not set: this machine only, a domain of one's own, a large segment.

    Raises:
        InstructSeqError: ROS 2 is not set up in this shell.
    """
    for module in ("rclpy", "sensor_msgs.msg", "instructseq.msg"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise InstructSeqError(f"ROS 2 is not set up in this shell ({error}): run `. scripts/env.sh`") from None
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    profile = _profile()
    if profile is not None:
        name = PROFILES.get(os.environ.get("ROS_DISTRO", ""), "FASTDDS_DEFAULT_PROFILES_FILE")
        os.environ.setdefault(name, str(profile))


def _profile() -> Path | None:
    """The shipped file, in the source tree or in an installed workspace."""
    shares = [Path(prefix) / "share/instructseq" for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(":")]
    for root in (Path(__file__).resolve().parents[2], *shares):
        if (root / "config/fastdds.xml").is_file():
            return root / "config/fastdds.xml"
    return None
