"""TensorBoard files of a run: numbers, and answers to be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from instructseq_model.errors import ConfigError
from instructseq_training.samples import Sample

LOSSES = ("map", "boxes", "text", "kind", "heat", "classes")


class TensorBoardLog:
    """Writes TensorBoard's files.

    Args:
        folder: of the files; an earlier run's files in it are added to.

    Raises:
        ConfigError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                f"TensorBoard is not installed ({error}): `pip install tensorboard`, or set tensorboard: false"
            ) from None
        self._writer: Any = SummaryWriter(str(folder))

    def scalars(self, row: Mapping[str, Any]) -> None:
        """Write a row's numbers at its "step": losses, scores of free-running evaluation, and the rest, each apart."""
        for name, value in row.items():
            if name == "step":
                continue
            if name.startswith("free_"):
                group, title = "evaluation", name.removeprefix("free_")
            else:
                group, title = "loss" if name in LOSSES else "run", name
            self._writer.add_scalar(f"{group}/{title}", value, row["step"])
        self._writer.flush()

    def samples(self, step: int, samples: list[Sample]) -> None:
        """Write sample answers: pictures and the words that asked for them."""
        for sample in samples:
            self._writer.add_image(sample.name, sample.picture, step, dataformats="HWC")
            self._writer.add_text(sample.name, sample.text, step)
        self._writer.flush()

    def close(self) -> None:
        """Finish the files."""
        self._writer.close()
