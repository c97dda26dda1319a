"""Frames and instructions as the decoder gets them, so that decoding can be measured alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from instructseq_model.answering import meanings_of_codes
from instructseq_model.decoding import DecodingPrefix, Sampling, decoding_prefix
from instructseq_model.decoding.generate import Meanings
from instructseq_model.geometry import fit_image
from instructseq_model.label_sets import label_set
from instructseq_model.model import InstructSeq
from instructseq_model.perception import Task

SAMPLING_TEMPERATURE = 0.9
"""Of several samples, as the Perceiver draws them."""


@torch.inference_mode()
def prefix_of(model: InstructSeq, frame: NDArray[np.uint8], instruction: str) -> DecodingPrefix:
    """The prefix of one instruction on one frame.

    Args:
        model: in evaluation mode.
        frame: H x W x 3 uint8 RGB.
        instruction: free words.
    """
    _, square = fit_image(frame, fit=model.config.fit, side=model.config.image_size)
    pixels = torch.from_numpy(square).to(model.device)  # S x S x 3
    image = model.read_image(pixels.permute(2, 0, 1)[None].float() / 255)
    encoded = model.instruction.encode([instruction])
    return decoding_prefix(model.sequence, image, model.read_instruction(image, encoded))


@dataclass(frozen=True, kw_only=True)
class MapDrawing:
    """How the Perceiver draws the maps of a task.

    Attributes:
        sampling: most probable tokens for one sample, else random ones.
        samples: N.
        meanings: of the codes.
    """

    sampling: Sampling
    samples: int
    meanings: Meanings


def map_drawing(model: InstructSeq, task: Task, samples: int) -> MapDrawing:
    """How `samples` maps of a task are drawn."""
    temperature = 0.0 if samples == 1 else SAMPLING_TEMPERATURE
    classes = label_set(model.config.label_sets[0]) if task is Task.SEMANTIC else None
    meanings = meanings_of_codes(model, classes)
    return MapDrawing(sampling=Sampling(temperature=temperature), samples=samples, meanings=meanings)
