"""What can run the model, each behind the same Perceiver. A further backend is a further entry of `BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from instructseq_bench.setting import Setting
from instructseq_model.backends.table import BACKENDS as MODEL_BACKENDS
from instructseq_model.errors import ConfigError
from instructseq_model.perceiver import Perceiver

LoadBackend = Callable[[Path, str, int | None], Perceiver]
"""Takes the folder, the device and the CPU threads."""


def _load(backend: str, folder: Path, device: str, threads: int | None) -> Perceiver:
    return Perceiver.load(folder, backend=backend, device=device, threads=threads)


BACKENDS: dict[str, LoadBackend] = {name: partial(_load, name) for name in MODEL_BACKENDS}


def backend_folders(setting: Setting) -> dict[str, Path]:
    """The folder that each measured backend loads: torch the checkpoint, the others what they were named with.

    Raises:
        ConfigError: a backend is named that there is not.
    """
    folders = {"torch": setting.checkpoint, **setting.others}
    for name in folders:
        if name not in BACKENDS:
            raise ConfigError(f"there is no backend {name!r}: name one of {', '.join(BACKENDS)}")
    return folders
