"""A start for the grounding: what it reads from frozen features alone, before there is a transformer to speak of.

Names, colours and classes need no context: patch features and the mean of the frozen instruction states tell already
where a mug is. This part learns from thousands of instructions a second; the transformer then adds what needs context.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from instructseq_model.errors import ConfigError
from instructseq_model.grounding import Grounding
from instructseq_model.instruction import InstructionEncoder
from instructseq_model.perception import Task
from instructseq_model.sequence_model import SequenceModel
from instructseq_training.config import GroundingStartConfig
from instructseq_training.examples import referring_example
from instructseq_training.hardware import autocast
from instructseq_training.instructions import InstructionSet
from instructseq_training.losses import class_loss, heat_loss
from instructseq_training.prepared import PreparedFrames, class_targets


def start_grounding(
    model: SequenceModel,
    *,
    frames: PreparedFrames,
    phrasings: InstructionSet,
    encoder: InstructionEncoder,
    config: GroundingStartConfig,
    seed: int,
) -> float:
    """Fit a grounding's weights on frozen features; those on the transformer's states are left as they are.

    Args:
        model: its grounding is changed in place.
        frames: to learn from.
        phrasings: that expressions are put into.
        encoder: the frozen instruction encoder.
        config: steps and sizes.
        seed: decides frames and words.

    Returns:
        The mean loss of the last tenth of the steps.

    Raises:
        ConfigError: the model has no grounding.
    """
    grounding, width = model.grounding, model.config.transformer.width
    if grounding is None:
        raise ConfigError("a grounding start needs a model with grounding; leave grounding_start out of the recipe")
    rng = random.Random(seed)
    device = grounding.bias.device
    pooled = _pooled_states(frames, phrasings, encoder, config, rng)
    with torch.no_grad():
        pooled = {text: model.pooled_whitening(states.to(device)).cpu() for text, states in pooled.items()}
    fitted = [*grounding.key.parameters(), *grounding.query.parameters(), grounding.log_scale, grounding.bias]
    if grounding.class_heat is not None:
        fitted += grounding.class_heat.read.parameters()
    optimiser = torch.optim.AdamW(fitted, lr=config.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=config.steps)
    began, losses = time.monotonic(), []
    usable = [n for n, said in enumerate(frames.said) if any(e["kind"] in config.kinds for e in said["expressions"])]
    for step in range(config.steps):
        numbers = rng.sample(usable, config.frames)
        summaries, targets = (part.to(device) for part in _draw(numbers, frames, pooled, config, grounding, rng))
        features = torch.from_numpy(np.array(frames.features[numbers])).float().to(device)
        with autocast(device):
            with torch.no_grad():
                features = model.image_whitening(features)
            image = grounding.read_image(features.new_zeros(*features.shape[:2], width), features)
            summary = torch.cat([summaries.new_zeros(len(summaries), 2 * width), summaries], -1)
            loss = heat_loss(grounding, grounding.similarity(image.keys, summary)[:, 0], targets)
        if image.classes is not None:
            known = class_targets(frames, numbers, side=grounding.grid * grounding.config.subcells).to(device)
            summed = class_loss(grounding, image.classes, known, balance=config.class_balance)
            loss = loss + config.classes * summed / max(1, int((known < image.classes.shape[-1]).sum()))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(fitted, 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % 200 == 199:
            Console().print(
                f"grounding start: step {step + 1} loss {np.mean(losses[-200:]):.4f} "
                f"minutes {(time.monotonic() - began) / 60:.2f}"
            )
    return float(np.mean(losses[-max(1, config.steps // 10) :]))


def _pooled_states(
    frames: PreparedFrames,
    phrasings: InstructionSet,
    encoder: InstructionEncoder,
    config: GroundingStartConfig,
    rng: random.Random,
) -> dict[str, Tensor]:
    """For each expression of the kinds, mean states of it in several phrasings: V x Dt."""
    device = next(encoder.parameters()).device
    texts = sorted({e["text"] for said in frames.said for e in said["expressions"] if e["kind"] in config.kinds})
    said = {"width": 1, "height": 1, "objects": []}
    filled = [
        referring_example(
            said,
            {"text": text, "kind": "name", "targets": []},
            task=rng.choice([Task.SEGMENTATION, Task.DETECTION]),
            phrasings=phrasings,
            rng=rng,
        ).instruction
        for text in texts
        for _ in range(config.phrasings)
    ]
    order = sorted(range(len(filled)), key=lambda index: len(filled[index]))
    means: list[Tensor | None] = [None] * len(filled)
    for start in range(0, len(order), 256):
        chosen = order[start : start + 256]
        with autocast(device):
            encoded = encoder.encode([filled[index] for index in chosen])
        there = torch.arange(encoded.states.shape[1], device=device) < encoded.lengths[:, None]
        mean = (encoded.states.float() * there[..., None]).sum(1) / encoded.lengths[:, None]
        for index, row in zip(chosen, mean.cpu().clone(), strict=True):
            means[index] = row
    held = [row for row in means if row is not None]
    return {t: torch.stack(held[n * config.phrasings : (n + 1) * config.phrasings]) for n, t in enumerate(texts)}


def _draw(
    numbers: Sequence[int],
    frames: PreparedFrames,
    pooled: dict[str, Tensor],
    config: GroundingStartConfig,
    grounding: Grounding,
    rng: random.Random,
) -> tuple[Tensor, Tensor]:
    """Summaries R x Dt and heat targets R x GS x GS, `config.expressions` consecutive ones a frame."""
    side = grounding.grid * grounding.config.subcells
    summaries, targets = [], []
    for number in numbers:
        known = [e for e in frames.said[number]["expressions"] if e["kind"] in config.kinds]
        instances = np.asarray(frames.instances[number])
        factor = instances.shape[0] // side
        for expression in rng.choices(known, k=config.expressions):
            states = pooled[expression["text"]]
            summaries.append(states[rng.randrange(len(states))])
            meant = np.zeros(256, dtype=bool)
            meant[expression["targets"]] = True
            mask = meant[instances]
            targets.append(mask.reshape(side, factor, side, factor).mean((1, 3), dtype=np.float32))
    return torch.stack(summaries), torch.from_numpy(np.stack(targets))
