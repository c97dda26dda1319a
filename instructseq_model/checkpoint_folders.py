"""Where a checkpoint's folder is, from what the user typed."""

from __future__ import annotations

import os
from pathlib import Path

from instructseq_model.errors import CheckpointError

DEFAULT = "household"
"""The checkpoint that the repository ships."""


def checkpoint_roots() -> list[Path]:
    """Folders whose sub-folders are checkpoints: the repository's, then those of every installed ROS workspace."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    shares = [Path(prefix) / "share" / "instructseq" for prefix in prefixes if prefix]
    return [folder / "checkpoints" for folder in (Path(__file__).resolve().parents[1], *shares)]


def find_checkpoint(name: str) -> Path:
    """The folder of a checkpoint.

    Args:
        name: a folder, or the name of a checkpoint that comes with the program.

    Raises:
        CheckpointError: there is no such folder; the message lists the names there are.
    """
    if Path(name).is_dir():
        return Path(name)
    for root in checkpoint_roots():
        if (root / name).is_dir():
            return root / name
    known = sorted({folder.name for root in checkpoint_roots() if root.is_dir() for folder in root.iterdir()})
    raise CheckpointError(
        f"there is no checkpoint {name!r}: give a folder made by `instructseq train`"
        + (f", or one of {', '.join(known)}" if known else "; this installation brings none of its own")
    )
