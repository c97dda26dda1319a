"""The node with a stand-in for the model, as a program: python stand_in_node.py --ros-args ..."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import rclpy

from instructseq_ros.node import EXECUTOR_THREADS, InstructSeqNode
from instructseq_ros.spinning import spin_until_stopped

STAND_IN = Path(__file__).parents[1] / "instructseq_ros" / "conftest.py"


def main() -> None:
    """Run until SIGINT."""
    domain = os.environ["ROS_DOMAIN_ID"]
    spec = importlib.util.spec_from_file_location("stand_in", STAND_IN)
    assert spec is not None
    assert spec.loader is not None
    stand_in = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stand_in)
    os.environ["ROS_DOMAIN_ID"] = domain  # which that file has changed
    rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    node = InstructSeqNode(load=lambda settings: stand_in.ColourPerceiver())
    spin_until_stopped(node, threads=EXECUTOR_THREADS, stop=node.stop)
    rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
