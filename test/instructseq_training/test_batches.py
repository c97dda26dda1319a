"""Batches: the right answers to what is asked, decided by seed and step only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from instructseq_model.palette import NAMED_COLOURS
from instructseq_model.perception import Task
from instructseq_model.vocabulary import END, PAD, OutputKind
from instructseq_training.batches import Batcher
from instructseq_training.config import BatchConfig
from instructseq_training.frozen_encoders import padded
from instructseq_training.prepared import PreparedFrames

CONFIG = BatchConfig(frames=2, referring_maps=2, semantic_maps=1, boxes=3, captions=1, grounding=2, low_precision=False)


def test_the_same_step_gives_the_same_batch(batcher: Batcher) -> None:
    first, second = batcher.batch(5, CONFIG), batcher.batch(5, CONFIG)
    assert first.examples == second.examples
    assert torch.equal(first.states, second.states)
    assert first.examples != batcher.batch(6, CONFIG).examples


def test_every_frame_comes_once_an_epoch(batcher: Batcher) -> None:
    numbers = [n for step in range(3) for n in batcher.frame_numbers(step, 2)]
    assert sorted(numbers[:3]) == [0, 1, 2]
    assert sorted(numbers[3:]) == [0, 1, 2]


def test_rows_of_a_kind_ask_for_that_kind(batcher: Batcher) -> None:
    batch = batcher.batch(0, CONFIG)
    expected = {
        OutputKind.MAP: {Task.SEGMENTATION, Task.SEMANTIC},
        OutputKind.BOXES: {Task.DETECTION},
        OutputKind.TEXT: {Task.CAPTION},
    }
    for kind, outputs in batch.outputs.items():
        assert {batch.examples[row].task for row in outputs.rows.tolist()} <= expected[kind]
        share = len(outputs.rows) // 2
        owners = [row // (len(batch.examples) // 2) for row in outputs.rows.tolist()]
        assert owners == [0] * share + [1] * share  # the model shares image prefixes between consecutive rows


def test_heat_is_the_mask_of_the_targets_at_the_grounding_grid(batcher: Batcher) -> None:
    batch = batcher.batch(0, CONFIG)
    for example, heat, refers in zip(batch.examples, batch.heat, batch.refers.tolist(), strict=True):
        assert refers == (example.task in (Task.SEGMENTATION, Task.DETECTION))
        expected = torch.zeros(8, 8)  # 32 pixels in 4 cells of 2 subcells
        if 1 in example.targets:
            expected[:4, :2] = 1
        if 2 in example.targets:
            expected[4:, 4:] = 1
        assert torch.equal(heat, expected)


def test_box_tokens_name_the_targets_left_to_right(batcher: Batcher) -> None:
    batch = batcher.batch(1, CONFIG)
    vocabulary = batcher.sequence.vocabulary
    outputs = batch.outputs[OutputKind.BOXES]
    boxes = {1: (0, 0, 0.25, 0.5), 2: (0.5, 0.5, 1, 1)}
    for row, tokens in zip(outputs.rows.tolist(), outputs.tokens.tolist(), strict=True):
        kept = [token for token in tokens if token != PAD]
        assert kept[-1] == END
        for place, target in enumerate(sorted(batch.examples[row].targets)):
            found = vocabulary.tokens_to_box(kept[4 * place : 4 * place + 4])
            assert np.allclose(found, boxes[target], atol=0.02)
        assert len(kept) == 4 * len(batch.examples[row].targets) + 1


def test_caption_tokens_read_back_as_the_caption(batcher: Batcher) -> None:
    batch = batcher.batch(2, CONFIG)
    first = batcher.sequence.vocabulary.text_range.start
    outputs = batch.outputs[OutputKind.TEXT]
    for row, tokens in zip(outputs.rows.tolist(), outputs.tokens.tolist(), strict=True):
        kept = [token - first for token in tokens if token not in (PAD, END)]
        assert batch.examples[row].caption.startswith(batcher.encoders.tokenizer.decode(kept))


def test_a_referring_map_shows_the_targets_in_the_asked_colour(batcher: Batcher, frames: PreparedFrames) -> None:
    examples = [e for step in range(4) for e in batcher.batch(step, CONFIG).examples if e.task is Task.SEGMENTATION]
    example = next(e for e in examples if e.targets == (1,))
    painted = batcher.target_map(example, 0)
    assert (painted[:16, :8] == NAMED_COLOURS[example.colour]).all()
    assert (painted[frames.instances[0] != 1] == 0).all()
    assert example.colour in example.instruction or example.colour == "green"


def test_map_tokens_are_the_vqvae_codes(batcher: Batcher) -> None:
    painted = np.zeros((1, 32, 32, 3), np.uint8)
    codes = batcher.encoders.vqvae.encode(torch.full((1, 3, 32, 32), -1.0)).flatten(1)
    assert torch.equal(
        batcher.encoders.map_tokens(list(painted)), codes + batcher.sequence.vocabulary.visual_range.start
    )


def test_parts_of_a_step_hold_what_the_whole_step_holds(batcher: Batcher) -> None:
    config = replace(CONFIG, frames=5)
    whole = batcher.batch(4, config)
    parts = batcher.parts(4, config, [range(0, 2), range(2, 5)])
    assert [example for part in parts for example in part.examples] == whole.examples
    assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
    assert torch.equal(torch.cat([part.heat for part in parts]), whole.heat)
    for kind, outputs in whole.outputs.items():
        tokens = [row for part in parts for row in part.outputs[kind].tokens.tolist()]
        kept = [[token for token in row if token != PAD] for row in tokens]
        assert kept == [[token for token in row if token != PAD] for row in outputs.tokens.tolist()]


def test_padding_fills_behind_the_shorter_rows() -> None:
    assert padded([[5, 6, 7], [8]]).tolist() == [[5, 6, 7], [8, PAD, PAD]]
