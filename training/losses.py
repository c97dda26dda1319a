"""Losses: token cross-entropy by kind (paper, section 3.2.3) and the grounding's mask losses."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from instructseq_model.decoding.prefix import kind_log_masses
from instructseq_model.grounding import Grounding
from instructseq_model.sequence_model import InstructionPrefix, SequenceModel
from instructseq_model.transformer import KeyValues
from instructseq_model.vocabulary import PAD, OutputKind
from instructseq_training.batches import Batch, Outputs, corrupted
from instructseq_training.config import LossConfig


def batch_losses(
    model: SequenceModel, batch: Batch, config: LossConfig, *, generator: torch.Generator
) -> dict[str, Tensor]:
    """Every loss of a batch by name, unweighted scalars: "map", "boxes", "text", "kind", "heat", "classes".

    Args:
        model: in training mode, under autocast if wanted.
        batch: one step's work.
        config: smoothing and corruption.
        generator: decides what history is hidden.
    """
    image = model.encode_image(batch.features)
    instruction = model.encode_instruction(image, batch.states, batch.lengths)
    losses: dict[str, Tensor] = {}
    kinds: list[Tensor] = []
    for kind, outputs in batch.outputs.items():
        part = select_rows(instruction, outputs.rows)
        inputs = torch.cat([model.begin_tokens(len(outputs.tokens)), outputs.tokens[:, :-1]], 1)
        if kind is OutputKind.MAP:
            inputs[:, 1:] = corrupted(inputs[:, 1:], rate=config.corruption, generator=generator)
        logits = model.logits(image, part, inputs, kind)
        losses[kind.value] = token_loss(logits, outputs, kind, model, config.position_smoothing)
        kinds.append(kind_loss(model, logits[:, 0], kind))
    losses["kind"] = torch.cat(kinds).mean()
    if model.grounding is not None and instruction.pointing is not None and bool(batch.refers.any()):
        logits = instruction.pointing.heat[batch.refers]
        losses["heat"] = heat_loss(model.grounding, logits, batch.heat[batch.refers])
    if model.grounding is not None and image.grounding is not None and image.grounding.classes is not None:
        losses["classes"] = class_loss(model.grounding, image.grounding.classes, batch.classes)
    return losses


def weighted(losses: dict[str, Tensor], config: LossConfig) -> Tensor:
    """The loss to descend."""
    weights = {"map": config.map, "boxes": config.boxes, "text": config.text, "kind": config.kind, "heat": config.heat}
    weights["classes"] = config.classes
    return torch.stack([weights[name] * value for name, value in losses.items()]).sum()


def kind_loss(model: SequenceModel, first: Tensor, kind: OutputKind) -> Tensor:
    """Cross-entropy of the kind of output, by probability mass at BEGIN: R values, from R x V logits of the first step.

    Among the 256 tokens of a map the first hardly counts, and yet it decides what the others are.
    """
    masses = kind_log_masses(model, first.float())
    return masses.logsumexp(-1) - masses[:, list(OutputKind).index(kind)]


def token_loss(
    logits: Tensor, outputs: Outputs, kind: OutputKind, model: SequenceModel, position_smoothing: float
) -> Tensor:
    """Mean cross-entropy over the tokens that are there."""
    flat, target = logits.flatten(0, 1).float(), outputs.tokens.flatten()
    if kind is not OutputKind.BOXES or position_smoothing == 0:
        return F.cross_entropy(flat, target, ignore_index=PAD)
    positions = model.config.vocabulary.position_range
    bells = smoothed_positions(target, positions, width=position_smoothing)  # T x bins, rows of zeros for END
    log_probability = flat.log_softmax(-1)
    of_positions = -(bells * log_probability[:, positions.start : positions.stop]).sum(-1)
    of_others = -log_probability.gather(1, target[:, None])[:, 0]
    coordinate = (target >= positions.start) & (target < positions.stop)
    return torch.where(coordinate, of_positions, of_others)[target != PAD].mean()


def smoothed_positions(target: Tensor, positions: range, *, width: float) -> Tensor:
    """Bells of `width` bins around coordinate tokens, each row summing to 1: T x len(positions)."""
    bins = torch.arange(len(positions), device=target.device)
    distance = (bins - (target - positions.start)[:, None].float()) / width
    bell = torch.exp(-0.5 * distance**2)
    return bell / bell.sum(-1, keepdim=True).clamp(min=1e-9)


def heat_loss(grounding: Grounding, logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of every subcell, and dice of every instruction that has a target.

    Args:
        grounding: lays cells out as an image.
        logits: R x P x S*S.
        target: R x GS x GS in [0, 1].
    """
    heat = grounding.heat_map(logits.float())
    cross_entropy = F.binary_cross_entropy_with_logits(heat, target)
    probability = heat.sigmoid()
    overlap = 2 * (probability * target).sum((1, 2)) + 1.0
    dice = 1 - overlap / (probability.sum((1, 2)) + target.sum((1, 2)) + 1.0)
    there = (target.amax((1, 2)) > 0).float()
    # Cross-entropy is small because most of an image is not meant: weigh it up to dice's size.
    return 5 * cross_entropy + (dice * there).sum() / there.sum().clamp(min=1)


def class_loss(grounding: Grounding, logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of every subcell's class.

    Args:
        grounding: lays cells out as an image.
        logits: I x P x S*S x C.
        target: I x GS x GS class ids; ids from C on are ignored.
    """
    classes = logits.shape[-1]
    maps = torch.stack([grounding.heat_map(logits[..., index]) for index in range(classes)], 1)  # I x C x GS x GS
    return F.cross_entropy(maps, target.where(target < classes, -100), ignore_index=-100)


def select_rows(instruction: InstructionPrefix, rows: Tensor) -> InstructionPrefix:
    """Some instructions of a prefix, in the order of `rows`."""
    past = [KeyValues(layer.keys[rows], layer.values[rows]) for layer in instruction.past]
    pointing = None if instruction.pointing is None else instruction.pointing.rows(rows)
    return InstructionPrefix(past, instruction.mask[rows], pointing)
