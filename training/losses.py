"""Losses: token cross-entropy by kind (paper, section 3.2.3) and the grounding's mask losses."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instructseq_model.decoding.prefix import kind_log_masses
from instructseq_model.grounding import Grounding
from instructseq_model.sequence_model import ImagePrefix, InstructionPrefix, SequenceConfig, SequenceModel
from instructseq_model.transformer import KeyValues
from instructseq_model.vision import VisionEncoder
from instructseq_model.vocabulary import END, PAD, OutputKind
from instructseq_training.batch import Batch, Outputs
from instructseq_training.config import LossConfig
from instructseq_training.map_history import MapHistory, hide, replace_drawn


class StepLosses(nn.Module):
    """A model and its losses as one module: what runs in training, and what is wrapped for several processes.

    Args:
        model: the sequence model.
        config: smoothing.
        vision: the image encoder that learns with it; None where batches hold features.
    """

    def __init__(
        self,
        model: SequenceModel,
        config: LossConfig,
        *,
        vision: VisionEncoder | None = None,
    ) -> None:
        super().__init__()
        self.model, self.config, self.vision = model, config, vision

    def forward(self, batch: Batch, counts: Mapping[str, float], history: MapHistory | None) -> dict[str, Tensor]:
        """`batch_losses` of the model."""
        features = batch.images if self.vision is None else self.vision(batch.images.float() / 255)
        return batch_losses(self.model, batch, self.config, features=features, counts=counts, history=history)


def batch_losses(
    model: SequenceModel,
    batch: Batch,
    config: LossConfig,
    *,
    features: Tensor | None = None,
    counts: Mapping[str, float] | None = None,
    history: MapHistory | None = None,
) -> dict[str, Tensor]:
    """Every loss of a batch by name, unweighted scalars: "map", "boxes", "text", "kind", "absent", "heat", "classes".

    Args:
        model: in training mode, under autocast if wanted.
        batch: one step's work, or a part of it.
        config: smoothing.
        features: I x P x Dv, of the batch's images; None where the batch holds them.
        counts: what sums are divided by, as `loss_counts` says; of the whole step, where the batch is a part of it: the
            losses of the parts then add up to the step's. None for the batch's own.
        history: how the histories of the R' maps are changed; None leaves them true.
    """
    counts = loss_counts(batch, model.config) if counts is None else counts
    image = model.encode_image(batch.images if features is None else features)
    instruction = model.encode_instruction(image, batch.states, batch.lengths)
    losses: dict[str, Tensor] = {}
    kinds: list[Tensor] = []
    for kind, outputs in batch.outputs.items():
        part = select_rows(instruction, outputs.rows)
        seen = images_of(image, outputs.rows, instructions=len(batch.states))
        inputs = torch.cat([model.begin_tokens(len(outputs.tokens)), outputs.tokens[:, :-1]], 1)
        if kind is OutputKind.MAP and history is not None:
            inputs = map_inputs(model, seen, part, inputs, history)
        logits = model.logits(seen, part, inputs, kind)
        losses[kind.value] = token_loss(logits, outputs, kind, model, config.position_smoothing) / counts[kind.value]
        kinds.append(kind_loss(model, logits[:, 0], kind))
        if kind is OutputKind.MAP and bool(batch.refers[outputs.rows].any()):
            refers = batch.refers[outputs.rows]
            absent = batch.heat[outputs.rows][refers].amax((1, 2)) == 0
            losses["absent"] = absence_loss(model, logits[refers, 0], absent) / counts["absent"]
    losses["kind"] = torch.cat(kinds).sum() / counts["kind"]
    if model.grounding is not None and instruction.pointing is not None and bool(batch.refers.any()):
        logits = instruction.pointing.heat[batch.refers]
        losses["heat"] = heat_loss(
            model.grounding, logits, batch.heat[batch.refers], places=counts["heat"], targets=counts["dice"]
        )
    if model.grounding is not None and image.grounding is not None and image.grounding.classes is not None:
        summed = class_loss(model.grounding, image.grounding.classes, batch.classes, balance=config.class_balance)
        losses["classes"] = summed / max(counts["classes"], 1.0)
    return losses


def map_inputs(
    model: SequenceModel, image: ImagePrefix, instruction: InstructionPrefix, inputs: Tensor, history: MapHistory
) -> Tensor:
    """What a map's tokens are shown: R x T inputs, partly hidden and partly drawn from the model as it is now."""
    shown = hide(inputs, history)
    if not bool(history.drawn.any()):
        return shown
    ids = model.config.vocabulary.visual_range
    with torch.no_grad():
        logits = model.logits(image, instruction, shown, OutputKind.MAP)[..., ids.start : ids.stop]
    return replace_drawn(shown, history, logits, ids)


def loss_counts(batch: Batch, config: SequenceConfig) -> dict[str, float]:
    """What each loss of a batch is a mean over; counts of a step's parts add up.

    Returns:
        Tokens of each kind under its name, sequences under "kind", maps of something named under "absent", the heat
        map's places under "heat", instructions with a target under "dice", and places that have a class under
        "classes". All names are always there.
    """
    counts = {kind.value: 0.0 for kind in OutputKind}
    counts |= {kind.value: float((held.tokens != PAD).sum()) for kind, held in batch.outputs.items()}
    heat = batch.heat[batch.refers]
    classes = 0 if config.grounding is None else config.grounding.classes
    maps = batch.outputs.get(OutputKind.MAP)
    return counts | {
        "absent": 0.0 if maps is None else float(batch.refers[maps.rows].sum()),
        "kind": float(sum(len(held.tokens) for held in batch.outputs.values())),
        "heat": float(heat.numel()),
        "dice": float((heat.amax((1, 2)) > 0).sum()) if len(heat) else 0.0,
        "classes": float((batch.classes < classes).sum()),
    }


def all_losses(losses: Mapping[str, Tensor], counts: Mapping[str, float]) -> dict[str, float]:
    """Losses of a part of a step under the names of the whole step's, in one order; 0 for what the part has none of.

    Args:
        losses: of the part.
        counts: of the whole step, see `loss_counts`.
    """
    names = [name for name in counts if name != "dice" and (name in losses or counts[name] > 0)]
    return {name: float(losses[name]) if name in losses else 0.0 for name in names}


def weighted(losses: dict[str, Tensor], config: LossConfig) -> Tensor:
    """The loss to descend."""
    weights = {"map": config.map, "boxes": config.boxes, "text": config.text, "kind": config.kind, "heat": config.heat}
    weights |= {"classes": config.classes, "absent": config.absent}
    return torch.stack([weights[name] * value for name, value in losses.items()]).sum()


def kind_loss(model: SequenceModel, first: Tensor, kind: OutputKind) -> Tensor:
    """Cross-entropy of the kind of output, by probability mass at BEGIN: R values, from R x V logits of the first step.

    Among the 256 tokens of a map the first hardly counts, and yet it decides what the others are.
    """
    masses = kind_log_masses(model, first.float())
    return masses.logsumexp(-1) - masses[:, list(OutputKind).index(kind)]


def absence_loss(model: SequenceModel, first: Tensor, absent: Tensor) -> Tensor:
    """Cross-entropy, summed, of END against all coordinates at BEGIN of maps: what boxes say to "nothing is meant".

    A map says so in 256 tokens of background, each of them decided alone; this asks the model once.

    Args:
        model: whose vocabulary it is.
        first: R x V logits of the first step.
        absent: R, whether nothing is meant.
    """
    positions = model.config.vocabulary.position_range
    odds = first[:, END] - first[:, positions.start : positions.stop].logsumexp(-1)
    return F.binary_cross_entropy_with_logits(odds.float(), absent.float(), reduction="sum")


def token_loss(
    logits: Tensor, outputs: Outputs, kind: OutputKind, model: SequenceModel, position_smoothing: float
) -> Tensor:
    """Cross-entropy summed over the tokens that are there."""
    flat, target = logits.flatten(0, 1).float(), outputs.tokens.flatten()
    if kind is not OutputKind.BOXES or position_smoothing == 0:
        return F.cross_entropy(flat, target, ignore_index=PAD, reduction="sum")
    positions = model.config.vocabulary.position_range
    bells = smoothed_positions(target, positions, width=position_smoothing)  # T x bins, rows of zeros for END
    log_probability = flat.log_softmax(-1)
    of_positions = -(bells * log_probability[:, positions.start : positions.stop]).sum(-1)
    of_others = -log_probability.gather(1, target[:, None])[:, 0]
    coordinate = (target >= positions.start) & (target < positions.stop)
    return torch.where(coordinate, of_positions, of_others)[target != PAD].sum()


def smoothed_positions(target: Tensor, positions: range, *, width: float) -> Tensor:
    """Bells of `width` bins around coordinate tokens, each row summing to 1: T x len(positions)."""
    bins = torch.arange(len(positions), device=target.device)
    distance = (bins - (target - positions.start)[:, None].float()) / width
    bell = torch.exp(-0.5 * distance**2)
    return bell / bell.sum(-1, keepdim=True).clamp(min=1e-9)


def heat_loss(
    grounding: Grounding, logits: Tensor, target: Tensor, *, places: float | None = None, targets: float | None = None
) -> Tensor:
    """Cross-entropy of every subcell, and dice of every instruction that has a target.

    Args:
        grounding: lays cells out as an image.
        logits: R x P x S*S.
        target: R x GS x GS in [0, 1].
        places: what the sum of cross-entropies is divided by; None for the places of `target`.
        targets: what the sum of dice losses is divided by; None for the instructions that have a target.
    """
    heat = grounding.heat_map(logits.float())
    places = target.numel() if places is None else places
    cross_entropy = F.binary_cross_entropy_with_logits(heat, target, reduction="sum") / places
    probability = heat.sigmoid()
    overlap = 2 * (probability * target).sum((1, 2)) + 1.0
    dice = 1 - overlap / (probability.sum((1, 2)) + target.sum((1, 2)) + 1.0)
    there = (target.amax((1, 2)) > 0).float()
    # Cross-entropy is small because most of an image is not meant: weigh it up to dice's size.
    targets = float(there.sum()) if targets is None else targets
    return 5 * cross_entropy + (dice * there).sum() / max(targets, 1.0)


def class_loss(grounding: Grounding, logits: Tensor, target: Tensor, *, balance: float) -> Tensor:
    """Cross-entropy of every subcell's class, summed.

    Args:
        grounding: knows how subcells lie.
        logits: I x P x S*S x C.
        target: I x GS x GS class ids; ids from C on are ignored.
        balance: 0 counts every place alike, 1 every class of the batch; between them, a class of which there is little
            counts more than its places and less than the others together. The places' mean weight is 1.
    """
    classes = logits.shape[-1]
    wanted = grounding.tiles(target.where(target < classes, -100)).flatten()  # I*P*S*S
    count = torch.bincount(wanted[wanted >= 0], minlength=classes).float()  # C
    weight = count.clamp(min=1) ** -balance
    weight = weight * count.sum() / (weight * count).sum().clamp(min=1e-9)
    return F.cross_entropy(logits.flatten(0, 2), wanted, weight=weight, ignore_index=-100, reduction="sum")


def images_of(image: ImagePrefix, rows: Tensor, *, instructions: int) -> ImagePrefix:
    """The images that some instructions are about, so that equal numbers of them are about each.

    Args:
        image: I images.
        rows: R' of the instructions. Of several an image, each image has equally many among them.
        instructions: R, consecutive ones on an image.
    """
    images = len(image.states)
    if instructions > images or len(rows) == images:
        return image
    past = [KeyValues(layer.keys[rows], layer.values[rows]) for layer in image.past]
    return ImagePrefix(image.states[rows], past, None if image.grounding is None else image.grounding.rows(rows))


def select_rows(instruction: InstructionPrefix, rows: Tensor) -> InstructionPrefix:
    """Some instructions of a prefix, in the order of `rows`."""
    past = [KeyValues(layer.keys[rows], layer.values[rows]) for layer in instruction.past]
    pointing = None if instruction.pointing is None else instruction.pointing.rows(rows)
    return InstructionPrefix(past, instruction.mask[rows], pointing)
