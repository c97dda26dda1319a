"""Fitting a model's whitening to the features and instructions that it is about to learn from."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vision import VisionEncoder
from instructseq_model.whitening import Whitening
from instructseq_training.batch import Batch, Batches
from instructseq_training.config import BatchConfig

FRAMES = 512
"""Frames that the statistics are taken of."""
CELLS_BETWEEN = 7
"""Neighbouring cells say much the same: every so many are taken; prime to the usual sides of a grid."""


@torch.no_grad()
def fit_whitening(
    model: SequenceModel, batches: Batches, config: BatchConfig, *, vision: VisionEncoder | None = None
) -> None:
    """Set the model's whitening from the first batches of a run; does nothing in a model that has none.

    Args:
        model: changed in place.
        batches: of the run.
        config: what a step holds.
        vision: the image encoder, where batches hold pixels.
    """
    of_images, of_instructions = model.image_whitening, model.pooled_whitening
    if not isinstance(of_images, Whitening) or not isinstance(of_instructions, Whitening):
        return
    # The statistics need no answers, and those cost most of a batch.
    wordy = (
        replace(config, grounding=config.instructions, referring_maps=0, semantic_maps=0, boxes=0, captions=0)
        if config.instructions
        else config
    )
    features: list[Tensor] = []
    pooled: list[Tensor] = []
    for step in range(-(-FRAMES // config.frames)):
        for batch in batches.parts(step, wordy, [range(config.frames)]):
            features.append(_features(batch, vision))
            pooled.append(_pooled(batch))
    of_images.fit(torch.cat(features).to(of_images.mean.device))
    of_instructions.fit(torch.cat(pooled).to(of_instructions.mean.device))


def _features(batch: Batch, vision: VisionEncoder | None) -> Tensor:
    """Features of some cells: N x Dv."""
    images = batch.images
    if vision is not None:
        images = vision(images.to(next(vision.parameters()).device).float() / 255)
    return images[:, ::CELLS_BETWEEN].flatten(0, 1).float().cpu()


def _pooled(batch: Batch) -> Tensor:
    """Mean states of the instructions: R x Dt."""
    there = torch.arange(batch.states.shape[1], device=batch.states.device) < batch.lengths[:, None]
    return ((batch.states.float() * there[..., None]).sum(1) / batch.lengths[:, None]).cpu()
