"""What the perceiver is asked: an image, an instruction, and how to go about it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructseq_model.errors import ConfigError
from instructseq_model.geometry import check_image
from instructseq_model.instruction import check_instruction
from instructseq_model.perception import Task

MOST_SAMPLES = 32


@dataclass(frozen=True, kw_only=True)
class Question:
    """One image and one instruction.

    Attributes:
        image: H x W x 3 uint8 RGB.
        instruction: free words, at most 10,000 characters.
        samples: sequences drawn and aggregated, 1 to 32.
        temperature: of sampling; None means 0 (most probable tokens) for one sample and 0.9 for more.
        seed: of the noise; None means 0. Equal arguments give equal results.
        label_set: of a semantic map; None reads it out of the instruction.
        task: what to do; None lets the model choose.
        stream: names the camera whose next frame this is, so that its last answer can speed up this one, without
            changing it; None for a single image.
    """

    image: NDArray[np.uint8]
    instruction: str
    samples: int = 1
    temperature: float | None = None
    seed: int | None = None
    label_set: str | None = None
    task: Task | str | None = None
    stream: Hashable = None

    def __post_init__(self) -> None:
        """Refuse what is no question.

        Raises:
            ImageError: the image is none.
            InstructionError: the instruction is empty or too long.
            ConfigError: samples or task out of range.
        """
        check_image(self.image)
        check_instruction(self.instruction)
        if not 1 <= self.samples <= MOST_SAMPLES:
            raise ConfigError(f"samples must be 1 to {MOST_SAMPLES}, got {self.samples}")
        self.asked  # noqa: B018 - raises if there is no such task

    @property
    def asked(self) -> Task | None:
        """The task as a `Task`."""
        try:
            return None if self.task is None else Task(self.task)
        except ValueError as error:
            raise ConfigError(f"task {self.task!r:.100} is none of {', '.join(one.value for one in Task)}") from error
