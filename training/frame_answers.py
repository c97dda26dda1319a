"""Answers that a model under training decodes itself on prepared frames, the most probable ones, as on a robot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from instructseq_model.answering import meanings_of_codes
from instructseq_model.decoding import GREEDY, DecodingPrefix, beam_search, decoding_prefix, generate
from instructseq_model.label_sets import label_set
from instructseq_model.maps import decode_maps
from instructseq_model.perception import Task
from instructseq_model.sequence_model import InstructionPrefix, SequenceModel
from instructseq_model.text import text_of
from instructseq_model.vocabulary import OutputKind
from instructseq_training.frozen_encoders import FrozenEncoders
from instructseq_training.prepared import PreparedFrames

BEAM_SIZE = 3
"""Half of what the Perceiver uses: captions during training are for a glance."""


class FrameRead(NamedTuple):
    """R instructions on one frame.

    Attributes:
        instructions: as the sequence model read them.
        prefix: the same, ready for output tokens.
    """

    instructions: InstructionPrefix
    prefix: DecodingPrefix


@torch.inference_mode()
def read_frame(
    model: SequenceModel, parts: FrozenEncoders, frames: PreparedFrames, number: int, instructions: Sequence[str]
) -> FrameRead:
    """Read a frame and what is asked of it.

    Args:
        model: in evaluation mode.
        parts: encode the instructions.
        frames: prepared ones.
        number: of the frame.
        instructions: R texts.
    """
    states, lengths = parts.instruction_states(instructions, low_precision=False)
    features = torch.from_numpy(np.array(frames.features[number : number + 1])).float()
    image = model.encode_image(features.to(model.head.weight.device))
    read = model.encode_instruction(image, states, lengths)
    return FrameRead(read, decoding_prefix(model, image, read))


def answer_caption(model: SequenceModel, parts: FrozenEncoders, prefix: DecodingPrefix) -> str:
    """The caption of one instruction."""
    best = beam_search(model, prefix, size=BEAM_SIZE)[0]
    return text_of(best.tokens, vocabulary=model.config.vocabulary, tokenizer=parts.tokenizer)


def answer_boxes(model: SequenceModel, prefix: DecodingPrefix) -> NDArray[np.float64]:
    """The boxes of one instruction: K x 4, x1 y1 x2 y2 as parts of the sides."""
    made = generate(model, prefix, OutputKind.BOXES, sampling=GREEDY)
    boxes = model.config.vocabulary.tokens_to_boxes(made.tokens[0, : int(made.lengths[0])].tolist())
    return np.array(boxes, float).reshape(-1, 4)


def answer_map(model: SequenceModel, parts: FrozenEncoders, prefix: DecodingPrefix, task: Task) -> NDArray[np.uint8]:
    """The painted map of one instruction, of household classes or of what it marks: S x S x 3."""
    meanings = meanings_of_codes(parts.painted_codes, label_set("household") if task is Task.SEMANTIC else None)
    made = generate(model, prefix, OutputKind.MAP, sampling=GREEDY, meanings=meanings)
    painted: NDArray[np.uint8] = decode_maps(parts.vqvae, made.tokens - model.config.vocabulary.visual_range.start)[0]
    return painted
