"""What can run the model, each behind the same Perceiver. A further backend is a further entry of `BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from instructseq_bench.setting import Setting
from instructseq_model.errors import ConfigError
from instructseq_model.perceiver import Perceiver

LoadBackend = Callable[[Path, str, int | None], Perceiver]
"""Takes the folder, the device and the CPU threads."""


def _torch(folder: Path, device: str, threads: int | None) -> Perceiver:
    return Perceiver.load(folder, device=device, threads=threads)


BACKENDS: dict[str, LoadBackend] = {"torch": _torch}


def backend_folders(setting: Setting) -> dict[str, Path]:
    """The folder that each measured backend loads: torch the checkpoint, the others what was exported for them.

    Raises:
        ConfigError: a backend is named that there is not.
    """
    folders = {"torch": setting.checkpoint, **setting.exports}
    for name in folders:
        if name not in BACKENDS:
            raise ConfigError(f"there is no backend {name!r}: name one of {', '.join(BACKENDS)}")
    return folders
