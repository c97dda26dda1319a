"""Counted operations are those that PyTorch's counter sees."""

from __future__ import annotations

import pytest
from torch.utils.flop_counter import FlopCounterMode

from instructseq_model.grounding import GroundingConfig
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import OutputKind
from instructseq_training.config import BatchConfig, LossConfig
from instructseq_training.flops import BatchShape, batch_shape, forward_flops, largest_shape, training_flops
from instructseq_training.losses import batch_losses

from . import tiny_world

CONFIG = BatchConfig(frames=2, referring_maps=1, boxes=3, captions=1, grounding=2, low_precision=False)


@pytest.mark.parametrize("grounding", [None, tiny_world.PLAIN, tiny_world.WHOLE], ids=["plain", "grounded", "refined"])
def test_forward_operations_are_counted_exactly(grounding: GroundingConfig | None) -> None:
    sequence = tiny_world.sequence_config(grounding)
    batch = tiny_world.batcher(sequence).batch(0, CONFIG)
    model = SequenceModel(sequence)
    with FlopCounterMode(display=False) as counter:
        batch_losses(model, batch, LossConfig())
    assert forward_flops(sequence, batch_shape(batch)) == counter.get_total_flops()


def test_training_operations_are_counted_but_for_gradients_that_nobody_needs() -> None:
    sequence = tiny_world.sequence_config(tiny_world.WHOLE)
    batch = tiny_world.batcher(sequence).batch(0, CONFIG)
    model = SequenceModel(sequence)
    with FlopCounterMode(display=False) as counter:
        sum(batch_losses(model, batch, LossConfig()).values()).backward()  # type: ignore[union-attr]
    assert training_flops(sequence, batch_shape(batch)) == pytest.approx(counter.get_total_flops(), rel=0.1)


def test_the_largest_shape_is_what_the_configuration_allows() -> None:
    sequence = tiny_world.sequence_config(None)
    shape = largest_shape(sequence, CONFIG)
    outputs = {OutputKind.MAP: (4, 16), OutputKind.BOXES: (6, 9), OutputKind.TEXT: (2, 12)}
    assert shape == BatchShape(images=2, instructions=16, instruction_length=24, outputs=outputs)
    assert shape.tokens(sequence) == 2 * 16 + 16 * 24 + 64 + 54 + 24
    batch = tiny_world.batcher(sequence).batch(0, CONFIG)
    assert forward_flops(sequence, batch_shape(batch)) <= forward_flops(sequence, shape)


def test_parts_cost_what_the_whole_costs_but_for_padding() -> None:
    sequence = tiny_world.sequence_config(tiny_world.PLAIN)
    whole = forward_flops(sequence, largest_shape(sequence, CONFIG))
    part = forward_flops(sequence, largest_shape(sequence, CONFIG, frames=1))
    assert 2 * part == pytest.approx(whole)
