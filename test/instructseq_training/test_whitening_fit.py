from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from instructseq_model.sequence_model import SequenceModel
from instructseq_model.whitening import Whitening
from instructseq_training.config import BatchConfig
from instructseq_training.whitening_fit import fit_whitening

from .tiny_world import PLAIN, batcher, sequence_config

BATCH = BatchConfig(frames=2, referring_maps=1, semantic_maps=1, boxes=1, captions=1, grounding=4)


@pytest.fixture
def few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instructseq_training.whitening_fit.FRAMES", 8)


@pytest.mark.usefixtures("few_frames")
def test_it_is_fitted_to_the_runs_own_frames_and_words() -> None:
    config = replace(sequence_config(PLAIN), whitened=True)
    model, batches = SequenceModel(config), batcher(config)
    fit_whitening(model, batches, BATCH)
    assert isinstance(model.image_whitening, Whitening)
    assert isinstance(model.pooled_whitening, Whitening)
    drawn = [part for step in range(4) for part in batches.parts(step, BATCH, [range(2)])]
    cells = torch.cat([part.images[:, ::7].flatten(0, 1).float() for part in drawn])
    torch.testing.assert_close(model.image_whitening.mean, cells.mean(0), rtol=1e-3, atol=1e-3)
    whitened = model.image_whitening(cells)
    assert float(torch.cov(whitened.T).diagonal().max()) <= 1.01
    assert not torch.equal(model.pooled_whitening.mean, torch.zeros(384))


@pytest.mark.usefixtures("few_frames")
def test_a_model_without_whitening_is_left_alone() -> None:
    model = SequenceModel(sequence_config(PLAIN))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fit_whitening(model, batcher(), BATCH)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
