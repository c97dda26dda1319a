"""What every section gets: how much to measure, of which model, on what, where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instructseq_bench.measuring import Budget
from instructseq_bench.presets import Preset
from instructseq_model.perception import Task
from instructseq_model.sequence_model import SequenceConfig


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Frames of a moving camera, and what is asked of them.

    Attributes:
        frames: each H x W x 3 uint8 RGB, of one size; at least 3, so that no frame meets its own cached states.
        instructions: by task.
        origin: where it comes from, for the notes.
    """

    frames: tuple[NDArray[np.uint8], ...]
    instructions: Mapping[Task, str]
    origin: str

    def new_frame(self, number: int, tag: int) -> NDArray[np.uint8]:
        """The frame of a round with a corner pixel of its own, so that nobody holds its states.

        Args:
            number: of the round; the frames come in turn.
            tag: another one for everybody who gets the frame, 0 to 255.
        """
        frame = self.frames[number % len(self.frames)].copy()
        frame[0, 0] = (tag, number // 256 % 256, number % 256)
        return frame


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One run's.

    Attributes:
        preset: how much is measured.
        device: cpu, cuda or cuda:N.
        threads: of the CPU; None for PyTorch's choice.
        checkpoint: folder of the model that is measured end to end.
        paper: size of the model with random weights.
        clip: reads or renders so many frames; called by the sections that need it.
        others: folders by backend, of exports or of a checkpoint, measured beside the checkpoint in torch.
        out: folder for logs.
    """

    preset: Preset
    device: str
    threads: int | None
    checkpoint: Path
    paper: SequenceConfig
    clip: Callable[[int], Clip]
    out: Path
    others: Mapping[str, Path] = field(default_factory=dict)

    def budget(self, share: float = 1.0, *, most: int | None = None) -> Budget:
        """Of one measurement: a share of the preset's seconds, and at most so many rounds."""
        preset = self.preset
        most = preset.most if most is None else max(1, min(preset.most, most))
        return Budget(seconds=share * preset.seconds, least=min(preset.least, most), most=most)
