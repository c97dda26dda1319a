"""What turns words and answers into the tensors of a batch; none of it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instructseq_model.instruction import InstructionEncoder
from instructseq_model.maps import PaintedCodes, encode_maps
from instructseq_model.sequence_model import SequenceConfig
from instructseq_model.text import TextTokenizer
from instructseq_model.vocabulary import END, PAD, OutputKind
from instructseq_model.vqvae import VQVAE
from instructseq_training.examples import Example
from instructseq_training.hardware import autocast


@dataclass(frozen=True, kw_only=True)
class FrozenEncoders:
    """Instructions as states, answers as tokens.

    Attributes:
        sequence: shape of the model that reads and writes them.
        instruction_encoder: of the instructions.
        vqvae: gives the codes of maps.
        tokenizer: of captions.
    """

    sequence: SequenceConfig
    instruction_encoder: InstructionEncoder
    vqvae: VQVAE
    tokenizer: TextTokenizer

    @cached_property
    def painted_codes(self) -> PaintedCodes:
        """What the visual codes paint."""
        return PaintedCodes(self.vqvae)

    def instruction_states(self, instructions: Sequence[str], *, low_precision: bool) -> tuple[Tensor, Tensor]:
        """Instructions, cut to the model's longest.

        Args:
            instructions: R texts.
            low_precision: run the encoder in bf16 where that is fast.

        Returns:
            States, R x L x Dt, and lengths, R.
        """
        with self._precision(low_precision):
            encoded = self.instruction_encoder.encode(list(instructions))
        length = min(encoded.states.shape[1], self.sequence.max_instruction_tokens)
        return encoded.states[:, :length].clone().float(), encoded.lengths.clone().clamp(max=length)

    def answer_tokens(
        self, kind: OutputKind, examples: Sequence[Example], maps: Sequence[NDArray[np.uint8]], *, low_precision: bool
    ) -> Tensor:
        """Vocabulary ids of answers of one kind, R' x T, PAD behind the shorter ones.

        Args:
            kind: of all of them.
            examples: R' examples; not looked at for maps.
            maps: R' painted maps; empty for the other kinds.
            low_precision: run the encoder of maps in bf16 where that is fast.
        """
        if kind is OutputKind.MAP:
            with self._precision(low_precision):
                return self.map_tokens(maps)
        tokens = self.box_tokens if kind is OutputKind.BOXES else self.caption_tokens
        return padded([tokens(example) for example in examples])

    def map_tokens(self, maps: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Vocabulary ids of painted maps, R x G*G."""
        codes = encode_maps(self.vqvae, np.stack(list(maps)))
        # The clone is a tensor that training may hold on to; the encoder's own come from inference mode.
        return codes.clone() + self.sequence.vocabulary.visual_range.start

    def box_tokens(self, example: Example) -> list[int]:
        """Vocabulary ids of an example's boxes, END included."""
        return [t for box in example.boxes for t in self.sequence.vocabulary.box_to_tokens(box)] + [END]

    def caption_tokens(self, example: Example) -> list[int]:
        """Vocabulary ids of a caption, cut to the model's longest, END included."""
        first = self.sequence.vocabulary.text_range.start
        ids = self.tokenizer.encode(example.caption)[: self.sequence.max_text_tokens - 1]
        return [first + token for token in ids] + [END]

    def _precision(self, low: bool) -> torch.autocast:
        device = next(self.vqvae.parameters()).device
        return autocast(device, "auto" if low else "fp32")


def padded(rows: list[list[int]]) -> Tensor:
    """Token lists of different lengths as one tensor, PAD behind each."""
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])
