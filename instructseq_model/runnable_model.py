"""What is asked of a model in use, whatever runs it: `model.InstructSeq` or `exported_model.ExportedModel`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from instructseq_model.calibration import Calibration
from instructseq_model.decoding.prefix import FirstStep
from instructseq_model.decoding.steps import Decoder
from instructseq_model.instruction import InstructionStates
from instructseq_model.label_sets import LabelSet
from instructseq_model.maps import MapPainter
from instructseq_model.model_config import ModelConfig
from instructseq_model.routing import Route
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.text import TextTokenizer

Handle = Any
"""What a model makes and takes back, of a type of its own: images read, which have `states` and `row` as `ImagePrefix`
has, and prefixes, each a `decoding.prefix.Prefix`."""


class InstructionReader(Protocol):
    """Reads instructions."""

    def encode(self, instructions: Sequence[str]) -> InstructionStates:
        """See `instruction.InstructionEncoder`; one instruction at a time is enough."""
        ...


class Routing(Protocol):
    """Tells what instructions ask for."""

    def route(self, states: Tensor, lengths: Tensor) -> list[Route]:
        """See `routing.Router`."""
        ...


class FirstStepDecoder(Decoder, FirstStep, Protocol):
    """A decoder that tells the first step's logits too."""


class CodeMeanings(Protocol):
    """What visual codes mean; see `maps.PaintedCodes`."""

    @property
    def marked_codes(self) -> Tensor:
        """Which codes paint a mark: bool, one a code."""
        ...

    def code_classes(self, label_set: LabelSet) -> Tensor:
        """Which class of a label set each code paints: int64."""
        ...


class RunnableModel(CodeMeanings, Protocol):
    """A model that the Perceiver can use.

    Attributes:
        calibration: of its confidence.
    """

    calibration: Calibration

    @property
    def config(self) -> ModelConfig:
        """Its shape."""
        ...

    @property
    def instruction(self) -> InstructionReader:
        """Its instruction encoder."""
        ...

    @property
    def router(self) -> Routing:
        """Its router."""
        ...

    @property
    def sequence(self) -> SequenceModel | FirstStepDecoder:
        """What writes its answers."""
        ...

    @property
    def decoder(self) -> Decoder:
        """What carries out its decoding steps."""
        ...

    @property
    def vqvae(self) -> MapPainter:
        """What paints its maps."""
        ...

    @property
    def tokenizer(self) -> TextTokenizer | None:
        """Of captions."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        ...

    def read_image(self, pixels: Tensor) -> Handle:
        """Encode images: I x 3 x S x S in [0, 1]."""
        ...

    def decoding_prefix(self, image: Handle, encoded: InstructionStates) -> Handle:
        """Put encoded instructions and BEGIN on images."""
        ...

    def stack_prefixes(self, prefixes: Sequence[Handle]) -> Handle:
        """Prefixes to be decoded together."""
        ...
