"""Losses: values by hand, and what they must not depend on."""

from __future__ import annotations

import pytest
import torch

from instructseq_model.sequence_model import SequenceConfig, SequenceModel
from instructseq_model.vocabulary import END, PAD, OutputKind
from instructseq_training.batch import Outputs
from instructseq_training.batches import Batcher
from instructseq_training.config import BatchConfig, LossConfig
from instructseq_training.losses import (
    absence_loss,
    batch_losses,
    class_loss,
    heat_loss,
    kind_loss,
    loss_counts,
    select_rows,
    smoothed_positions,
    token_loss,
)
from instructseq_training.map_history import draw_history

from . import tiny_world

CONFIG = BatchConfig(frames=1, referring_maps=1, semantic_maps=1, boxes=1, captions=1, grounding=1, low_precision=False)


@pytest.fixture
def model(sequence_config: SequenceConfig) -> SequenceModel:
    torch.manual_seed(0)
    return SequenceModel(sequence_config)


def test_a_bell_sums_to_one_and_peaks_at_the_target() -> None:
    bell = smoothed_positions(torch.tensor([107, END]), range(100, 150), width=2.0)
    assert bell[0].sum() == pytest.approx(1.0)
    assert bell[0].argmax() == 7
    assert bell[0, 9] / bell[0, 7] == pytest.approx(float(torch.tensor(-0.5).exp()))


def test_padding_does_not_count(model: SequenceModel) -> None:
    size = model.config.vocabulary.size
    first = model.config.vocabulary.position_range.start
    logits = torch.randn(1, 6, size, generator=torch.Generator().manual_seed(0))
    tokens = torch.tensor([[first, first + 1, first + 2, first + 3, END]])
    rows = torch.tensor([0])
    short = token_loss(logits[:, :5], Outputs(rows=rows, tokens=tokens), OutputKind.BOXES, model, 0.0)
    padded = torch.cat([tokens, torch.tensor([[PAD]])], 1)
    for smoothing in (0.0, 4.0):
        whole = token_loss(logits, Outputs(rows=rows, tokens=padded), OutputKind.BOXES, model, smoothing)
        part = token_loss(logits[:, :5], Outputs(rows=rows, tokens=tokens), OutputKind.BOXES, model, smoothing)
        assert whole == pytest.approx(float(part))
    by_hand = -logits[0, :5].log_softmax(-1)[torch.arange(5), tokens[0]].sum()
    assert short == pytest.approx(float(by_hand))


def test_narrow_smoothing_is_plain_cross_entropy(model: SequenceModel) -> None:
    first = model.config.vocabulary.position_range.start
    logits = torch.randn(1, 2, model.config.vocabulary.size, generator=torch.Generator().manual_seed(1))
    outputs = Outputs(rows=torch.tensor([0]), tokens=torch.tensor([[first + 3, END]]))
    narrow = token_loss(logits, outputs, OutputKind.BOXES, model, 0.01)
    assert narrow == pytest.approx(float(token_loss(logits, outputs, OutputKind.BOXES, model, 0.0)))


def test_a_right_heat_costs_next_to_nothing_and_a_wrong_one_much(model: SequenceModel) -> None:
    grounding = model.grounding
    assert grounding is not None
    target = torch.zeros(1, 8, 8)
    target[:, :4, :2] = 1
    tiles = target.view(1, 4, 2, 4, 2).permute(0, 1, 3, 2, 4).reshape(1, 16, 4)  # as the grounding lays out cells
    assert heat_loss(grounding, 40 * tiles - 20, target) < 0.01
    assert heat_loss(grounding, 20 - 40 * tiles, target) > 10


def test_all_losses_are_there_and_reach_every_weight(model: SequenceModel, batcher: Batcher) -> None:
    batch = batcher.batch(0, CONFIG)
    losses = batch_losses(model, batch, LossConfig())
    assert set(losses) == {"map", "boxes", "text", "kind", "absent", "heat"}
    sum(losses.values()).backward()  # type: ignore[union-attr]
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []


def test_the_kind_loss_is_the_mass_of_the_kinds_range_by_hand(model: SequenceModel) -> None:
    vocabulary = model.config.vocabulary
    first = torch.randn(2, vocabulary.size, generator=torch.Generator().manual_seed(2))
    probability = first.softmax(-1)
    ids = vocabulary.position_range
    boxes = probability[:, ids.start : ids.stop].sum(-1) + probability[:, END]
    others = probability[:, vocabulary.text_range.start : vocabulary.text_range.stop].sum(-1)
    maps = probability[:, vocabulary.visual_range.start : vocabulary.visual_range.stop].sum(-1)
    expected = -(boxes / (boxes + others + maps)).log()
    assert torch.allclose(kind_loss(model, first, OutputKind.BOXES), expected, atol=1e-5)


def test_the_absence_loss_is_end_against_all_coordinates_by_hand(model: SequenceModel) -> None:
    ids = model.config.vocabulary.position_range
    first = torch.randn(2, model.config.vocabulary.size, generator=torch.Generator().manual_seed(3))
    masses = first.exp()
    end = masses[:, END] / (masses[:, END] + masses[:, ids.start : ids.stop].sum(-1))
    expected = -(end[0].log() + (1 - end[1]).log())
    assert float(absence_loss(model, first, torch.tensor([True, False]))) == pytest.approx(float(expected), rel=1e-4)


def test_losses_of_parts_add_up_to_those_of_the_step() -> None:
    torch.manual_seed(0)
    sequence = tiny_world.sequence_config(tiny_world.WHOLE)
    whole_model, batcher = SequenceModel(sequence), tiny_world.batcher(sequence)
    config = BatchConfig(frames=3, referring_maps=1, boxes=2, captions=1, grounding=2, low_precision=False)
    step = batcher.batch(0, config)
    parts = batcher.parts(0, config, [range(0, 1), range(1, 3)])
    counts = loss_counts(step, sequence)
    separate = [loss_counts(part, sequence) for part in parts]
    assert {name: sum(held[name] for held in separate) for name in counts} == counts
    history = draw_history(6, 15, hide=1.0, draw=0.0, generator=torch.Generator().manual_seed(1))
    expected = batch_losses(whole_model, step, LossConfig(), history=history)
    first = batch_losses(whole_model, parts[0], LossConfig(), counts=counts, history=history.rows(slice(2)))
    second = batch_losses(whole_model, parts[1], LossConfig(), counts=counts, history=history.rows(slice(2, None)))
    assert set(expected) == {"map", "boxes", "text", "kind", "absent", "heat", "classes"}
    for name, value in expected.items():
        assert (first[name] + second[name]).item() == pytest.approx(value.item(), rel=1e-5)


def test_a_whole_batch_gives_mean_cross_entropies(batcher: Batcher, model: SequenceModel) -> None:
    batch = batcher.batch(2, CONFIG)
    losses = batch_losses(model, batch, LossConfig(position_smoothing=0.0))
    image = model.encode_image(batch.images)
    instruction = model.encode_instruction(image, batch.states, batch.lengths)
    for kind, outputs in batch.outputs.items():
        inputs = torch.cat([model.begin_tokens(len(outputs.tokens)), outputs.tokens[:, :-1]], 1)
        logits = model.logits(image, select_rows(instruction, outputs.rows), inputs, kind)
        mean = torch.nn.functional.cross_entropy(logits.flatten(0, 1), outputs.tokens.flatten(), ignore_index=PAD)
        assert losses[kind.value].item() == pytest.approx(mean.item(), rel=1e-5)


def test_a_batch_of_maps_only_has_losses_of_maps_only(batcher: Batcher, model: SequenceModel) -> None:
    config = BatchConfig(frames=1, referring_maps=1, boxes=0, captions=0, grounding=1, low_precision=False)
    batch = batcher.batch(0, config)
    losses = batch_losses(model, batch, LossConfig())
    assert {"map", "kind", "heat"} <= set(losses)
    assert not {"boxes", "text"} & set(losses)
    assert all(torch.isfinite(value) for value in losses.values())


def test_balanced_classes_count_alike_and_the_mean_place_as_before() -> None:
    grounding = SequenceModel(tiny_world.sequence_config(tiny_world.WHOLE)).grounding
    assert grounding is not None
    logits = torch.randn(1, 16, 4, 3, generator=torch.Generator().manual_seed(2))
    target = torch.zeros(1, 8, 8, dtype=torch.long)
    target[0, 0, :4] = 1  # 4 places of 56; 8 have no class
    target[0, 7] = 255
    wanted = grounding.tiles(target.where(target < 3, -100))
    each = torch.nn.functional.cross_entropy(
        logits.flatten(0, 2), wanted.flatten(), ignore_index=-100, reduction="none"
    )
    of = [each[wanted.flatten() == number] for number in (0, 1)]
    assert class_loss(grounding, logits, target, balance=0.0) == pytest.approx(float(each.sum()), rel=1e-5)
    by_hand = 56 * (of[0].mean() + of[1].mean()) / 2
    assert class_loss(grounding, logits, target, balance=1.0) == pytest.approx(float(by_hand), rel=1e-5)
