"""The node that the demo talks to."""

from __future__ import annotations

import sys
from pathlib import Path

from instructseq_cli.demo.ros_side import CAMERA_TOPIC
from instructseq_ros.node_process import NodeProcess


def demo_node(*, checkpoint: str, device: str, log: Path) -> NodeProcess:
    """`instructseq node` on the demo's camera, not started yet.

    Args:
        checkpoint: folder or name of a checkpoint.
        device: cpu, cuda or cuda:N.
        log: file for what the node prints.
    """
    program = "from instructseq_cli.main import app; app()"
    options = ["--checkpoint", checkpoint, "--device", device, "--image", CAMERA_TOPIC, "--transport", "compressed"]
    return NodeProcess([sys.executable, "-c", program, "node", *options], log=log)
