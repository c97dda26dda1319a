"""What a run would need and take, told before it starts: parameters, memory, tokens, time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from instructseq_model.instruction import build_instruction_encoder
from instructseq_model.model_config import ModelConfig, load_model_config
from instructseq_model.perceiver import KIND_OF_TASK
from instructseq_model.sequence_model import SequenceConfig, SequenceModel
from instructseq_model.vision import VisionEncoder, build_vision_encoder
from instructseq_model.vocabulary import OutputKind
from instructseq_model.vqvae import VQVAE
from instructseq_training.blocks import blocks_of
from instructseq_training.config import BatchConfig, ExecutionConfig, TrainConfig, load_train_config
from instructseq_training.datasets.mixture import Mixture, load_mixture
from instructseq_training.flops import (
    BACKWARD,
    BatchShape,
    encoder_flops,
    largest_shape,
    mixture_shape,
    training_flops,
)
from instructseq_training.hardware import Gpu, gpu_named
from instructseq_training.trained_parts import TrainedParts

USED_SHARE = 0.35
"""Share of a GPU's peak that transformers of this size usually reach; the time depends on it in proportion."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run, told before it starts.

    Attributes:
        trainable: parameters that are trained.
        frozen: parameters of each frozen part, by its name.
        memory: bytes a GPU holds, by what they are.
        tokens: of a step, at most, through the transformer.
        flops: of a step, at most.
        steps: of the run.
        seconds: of the run on the named GPUs, or its limit where that is shorter.
    """

    trainable: int
    frozen: Mapping[str, int]
    memory: Mapping[str, float]
    tokens: int
    flops: float
    steps: int
    seconds: float


def run(config: Path, *, gpu: str, gpus: int, console: Console | None = None) -> Plan:
    """Print the plan of a training YAML for so many GPUs, and return it.

    Raises:
        ConfigError: the configuration cannot be read, or the GPU is unknown.
    """
    settings = load_train_config(config)
    model_config = load_model_config(config.parent / settings.model)
    device = gpu_named(gpu)
    mixture = None if settings.mixture is None else load_mixture(config.parent / settings.mixture)
    plan = plan_run(settings, model_config, gpu=device, gpus=gpus, mixture=mixture)
    (console or Console()).print(shown(plan, title=f"{config}, {gpus} x {gpu}", gpu=device))
    return plan


def plan_run(
    settings: TrainConfig, model_config: ModelConfig, *, gpu: Gpu, gpus: int, mixture: Mixture | None = None
) -> Plan:
    """The plan of a run on `gpus` GPUs of one kind; nothing is allocated.

    Args:
        settings: the run's.
        model_config: the model's shape.
        gpu: which.
        gpus: how many.
        mixture: what `settings.mixture` names; None for rendered scenes.
    """
    sequence = model_config.sequence
    with torch.device("meta"):
        model = SequenceModel(sequence)
        encoder = build_vision_encoder(model_config.vision_encoder, image_size=model_config.image_size, pretrained=None)
        frozen: dict[str, nn.Module] = {
            "instruction encoder": build_instruction_encoder(model_config.instruction_encoder, pretrained=None),
            "VQ-VAE": VQVAE(model_config.vqvae),
        }
    shape = step_shape(sequence, settings.batch, mixture, frames=settings.batch.frames)
    flops = training_flops(sequence, shape)
    vision = encoder if settings.vision.trained else None
    if vision is None:
        frozen = {"image encoder": encoder, **frozen}
    else:
        flops += (1 + BACKWARD) * encoder_flops(vision, images=shape.images)
    seconds = settings.steps * flops / (gpu.flops * gpus * USED_SHARE)
    if settings.minutes:
        seconds = min(seconds, 60 * settings.minutes)
    sizes = {name: parameters(part) for name, part in frozen.items()}
    # Rendered scenes come as features: the encoder that computed them is gone by then.
    running = sum(size for name, size in sizes.items() if mixture is not None or name != "image encoder")
    parts = TrainedParts(model, vision)
    return Plan(
        trainable=parameters(parts.as_module()),
        frozen=sizes,
        memory=memory(parts, settings, frozen=running, gpus=gpus, mixture=mixture),
        tokens=shape.tokens(sequence),
        flops=flops,
        steps=settings.steps,
        seconds=seconds,
    )


def step_shape(config: SequenceConfig, batch: BatchConfig, mixture: Mixture | None, *, frames: int) -> BatchShape:
    """The shape of so many frames of a step."""
    if mixture is None:
        return largest_shape(config, batch, frames=frames)
    shares = dict.fromkeys(OutputKind, 0.0)
    for component, share in zip(mixture.components, mixture.shares, strict=True):
        shares[KIND_OF_TASK[component.task]] += share
    return mixture_shape(config, shares, frames=frames)


def memory(
    parts: TrainedParts, settings: TrainConfig, *, frozen: int, gpus: int, mixture: Mixture | None = None
) -> dict[str, float]:
    """Bytes that one GPU holds: float32 weights, gradients, AdamW's two moments, the average, activations.

    Args:
        parts: what is trained; shapes are read, it may be on the meta device.
        settings: batch and execution.
        frozen: parameters of the frozen parts that run in training.
        gpus: how many share the work.
        mixture: what is trained on; None for rendered scenes.
    """
    model, vision = parts
    trained, execution = parts.as_module(), settings.execution
    count = parameters(trained)
    shards = gpus if execution.parallel == "fsdp2" else 1
    averages = gpus if execution.average == "shards" else 1
    held = {
        "weights": 4 * count / shards,
        "gradients": 4 * count / shards,
        "optimiser": 8 * count / shards,
        "average": 4 * count / averages,
        "frozen parts": 4.0 * frozen,
    }
    if execution.parallel == "fsdp2":
        blocks = blocks_of(trained)
        in_blocks = sum(parameters(block) for block in blocks)
        held["gathered weights"] = 4.0 * (count - in_blocks) + 4.0 * in_blocks / len(blocks)
    shapes = [
        pass_shape(model.config, batch, execution, gpus, mixture)
        for batch in (settings.batch, settings.first_batch)
        if batch is not None
    ]
    held["activations (estimate)"] = max(activation_bytes(model.config, shape, execution) for shape in shapes)
    if vision is not None:
        images = max(shape.images for shape in shapes)
        held["encoder's activations (estimate)"] = encoder_activation_bytes(vision, images, execution)
    return held


def pass_shape(
    config: SequenceConfig, batch: BatchConfig, execution: ExecutionConfig, gpus: int, mixture: Mixture | None = None
) -> BatchShape:
    """The shape of one forward and backward pass on one of so many GPUs; of a mixture, the one with maps alone."""
    share = -(-batch.frames // gpus)
    frames = min(share, execution.frames_at_once or share)
    if mixture is not None:
        return mixture_shape(config, {OutputKind.MAP: 1.0}, frames=frames)
    return largest_shape(config, batch, frames=frames)


def activation_bytes(config: SequenceConfig, shape: BatchShape, execution: ExecutionConfig) -> float:
    """An estimate of what a pass keeps for its backward pass, in bytes, without the grounding's part.

    A block keeps some 40 bytes a token and feature in bf16 (norms, projections, perceptron) and 8 a score of attention;
    the losses keep a float32 row of the vocabulary a token, and work on some 6 bytes more of it.
    """
    width, layers, heads = config.transformer.width, config.transformer.layers, config.transformer.heads
    cells, length = config.vision_grid**2, shape.instruction_length
    passes = [(shape.images * cells, 0), (shape.instructions * length, cells + length)]
    passes += [(rows * steps, cells + length + steps) for rows, steps in shape.outputs.values()]
    wide = 2 if execution.precision == "fp32" else 1
    blocks = [wide * tokens * (40 * width + 8 * heads * seen) for tokens, seen in passes]
    if execution.checkpointing == "blocks":
        kept = layers * sum(2 * wide * tokens * width for tokens, _ in passes) + max(blocks)
    else:
        kept = layers * sum(blocks)
    logits = [rows * steps * config.vocabulary.size for rows, steps in shape.outputs.values()] or [0]
    return float(kept + 4 * sum(logits) + 6 * max(logits))


def encoder_activation_bytes(encoder: VisionEncoder, images: int, execution: ExecutionConfig) -> float:
    """An estimate of what an image encoder keeps for its backward pass, in bytes; as `activation_bytes` a block."""
    width, cells, layers = encoder.network.embed_dim, encoder.grid**2, len(encoder.network.blocks)
    wide = 2 if execution.precision == "fp32" else 1
    tokens = images * cells
    block = wide * tokens * 40.0 * width  # attention is fused: its scores are not kept
    return layers * 2.0 * wide * tokens * width + block if execution.checkpointing == "blocks" else layers * block


def parameters(module: nn.Module) -> int:
    """How many numbers a module learns or holds."""
    return sum(parameter.numel() for parameter in module.parameters())


def shown(plan: Plan, *, title: str, gpu: Gpu) -> Table:
    """The plan as a table."""
    table = Table(title=title, show_header=False)
    table.add_row("trained parameters", f"{plan.trainable / 1e6:.1f} M")
    for name, count in plan.frozen.items():
        table.add_row(f"frozen: {name}", f"{count / 1e6:.1f} M")
    for name, size in plan.memory.items():
        table.add_row(f"memory: {name}", f"{size / 1e9:.2f} GB")
    total = sum(plan.memory.values())
    verdict = "" if total < 0.9 * gpu.memory else "; too much: lower execution.frames_at_once, or checkpointing: blocks"
    table.add_row("memory of a GPU", f"{total / 1e9:.1f} of {gpu.memory / 1e9:.0f} GB{verdict}")
    table.add_row("tokens a step, at most", f"{plan.tokens:,}")
    table.add_row("FLOP a step, at most", f"{plan.flops / 1e12:.3g} T")
    table.add_row("steps", f"{plan.steps:,}")
    table.add_row("time", f"{plan.seconds / 3600:.2f} h, at {USED_SHARE:.0%} of the peak")
    return table
