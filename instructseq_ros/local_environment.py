"""The environment of ROS processes that work together on this machine: a domain of their own, room for raw images."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from instructseq_model.errors import InstructSeqError
from instructseq_ros.distributions import distribution, stay_on_this_machine


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
    stay_on_this_machine(os.environ)
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    profile = _profile()
    if profile is not None:
        os.environ.setdefault(distribution().fast_dds_settings, str(profile))


def _profile() -> Path | None:
    """The shipped file, in the source tree or in an installed workspace."""
    shares = [Path(prefix) / "share/instructseq" for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(":")]
    for root in (Path(__file__).resolve().parents[1], *shares):
        if (root / "config/fastdds.xml").is_file():
            return root / "config/fastdds.xml"
    return None
