"""Answers during training are decoded as the Perceiver decodes them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from instructseq_model.decoding import GREEDY, generate
from instructseq_model.maps import decode_maps
from instructseq_model.perception import Task
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import OutputKind
from instructseq_training.batches import Batcher
from instructseq_training.frame_answers import answer_map, read_frame
from instructseq_training.prepared import PreparedFrames


@pytest.mark.parametrize("task", [Task.SEGMENTATION, Task.SEMANTIC])
def test_what_a_map_means_is_decided_before_its_codes(batcher: Batcher, frames: PreparedFrames, task: Task) -> None:
    model = SequenceModel(replace(batcher.sequence, grounding=None)).eval()
    first = model.config.vocabulary.visual_range.start
    with torch.no_grad():  # one code is the most probable, the last eight of sixteen are so together
        model.head.weight.zero_()
        model.head.bias[first : first + 16] = torch.tensor([0.4] + [0.0] * 7 + [0.6 / 8] * 8).log()
    parts = replace(batcher.encoders)
    labels = torch.arange(16) // 8
    meaning = SimpleNamespace(marked_codes=labels.bool(), code_classes=lambda label_set: labels)
    parts.__dict__["painted_codes"] = meaning
    prefix = read_frame(model, parts, frames, 0, ["mark the mug"]).prefix
    plain = generate(model, prefix, OutputKind.MAP, sampling=GREEDY).tokens
    assert (plain == first).all()
    found = answer_map(model, parts, prefix, task)
    assert np.array_equal(found, decode_maps(parts.vqvae, torch.full((1, 16), 8))[0])
