"""The node with parameters and names of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from instructseq_ros.node_process import NodeProcess


def configured_node(*, parameters: dict[str, Any], remaps: dict[str, str], folder: Path) -> NodeProcess:
    """The node, not started yet.

    Args:
        parameters: of the node.
        remaps: its names for topics, and ours.
        folder: for its parameter file and its log; made if missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "node.yaml"
    file.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}), encoding="utf-8")
    renamed = [part for own, ours in remaps.items() for part in ("-r", f"{own}:={ours}")]
    command = [sys.executable, "-m", "instructseq_ros.node", "--ros-args", "--params-file", str(file), *renamed]
    return NodeProcess(command, log=folder / "node.log")
