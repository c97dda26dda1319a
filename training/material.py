"""What a run learns from: the protocol that rendered scenes and mixtures of datasets follow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vision import VisionEncoder
from instructseq_training.batch import Batches
from instructseq_training.frozen_encoders import FrozenEncoders
from instructseq_training.samples import Sample
from instructseq_training.trained_parts import TrainedParts

SAMPLE_FRAMES = 4
"""Frames of which TensorBoard gets answers."""


class Material(Protocol):
    """Pictures and what is said of them, to train on and to evaluate on.

    Attributes:
        messages: what was opened and what was left out, a line each.
        vision: the image encoder to be trained, on the run's device; None where it stays frozen.
    """

    messages: Sequence[str]
    vision: VisionEncoder | None

    def captions(self) -> Iterable[str]:
        """All training captions, to learn a tokenizer from."""

    def batches(self, encoders: FrozenEncoders) -> Batches:
        """The batches of the run."""

    def fit_start(self, model: SequenceModel, encoders: FrozenEncoders) -> None:
        """What comes before the first step, if anything; changes the model in place."""

    def evaluate(self, trained: TrainedParts, encoders: FrozenEncoders) -> dict[str, float]:
        """Free-running scores on what is not trained on."""

    def sample(self, trained: TrainedParts, encoders: FrozenEncoders) -> list[Sample]:
        """Free-running answers to be looked at."""
