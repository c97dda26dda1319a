"""The loop learns, and a resumed run is the run it resumes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from instructseq_model.errors import CheckpointError
from instructseq_model.sequence_model import SequenceConfig, SequenceModel
from instructseq_training.batches import Batcher
from instructseq_training.config import BatchConfig, OptimiserConfig, TrainConfig
from instructseq_training.trainer import LOG, STATE, Trainer, learning_rate

from .tiny_training import sum_of_weights

BATCH = BatchConfig(frames=1, referring_maps=1, semantic_maps=0, boxes=1, captions=1, grounding=2, low_precision=False)


def trainer(sequence: SequenceConfig, batcher: Batcher, out: Path, *, steps: int) -> Trainer:
    torch.manual_seed(1)
    config = TrainConfig(
        model="", steps=steps, batch=BATCH, optimiser=OptimiserConfig(warm_up=2, learning_rate=3e-3, final_share=1.0)
    )
    return Trainer(
        model=SequenceModel(sequence),
        batches=batcher,
        config=config,
        out=out,
        evaluate=sum_of_weights,
    )


def test_a_resumed_run_gives_the_losses_of_an_uninterrupted_one(
    sequence_config: SequenceConfig, batcher: Batcher, tmp_path: Path
) -> None:
    whole = trainer(sequence_config, batcher, tmp_path / "whole", steps=6)
    expected = [whole.train_step() for _ in range(6)]
    first = trainer(sequence_config, batcher, tmp_path / "parts", steps=6)
    found = [first.train_step() for _ in range(3)]
    first.save()
    second = trainer(sequence_config, batcher, tmp_path / "parts", steps=6)
    torch.nn.init.normal_(second.model.head.weight)  # resuming must not live off equal initialisation
    assert second.resume()
    found += [second.train_step() for _ in range(3)]
    for name in ("map", "boxes", "text", "heat", "norm"):
        assert [row[name] for row in found] == pytest.approx([row[name] for row in expected], rel=1e-6)
    for name, value in whole.average.held.items():
        assert torch.allclose(second.average.held[name], value, atol=1e-7)


def test_losses_fall(sequence_config: SequenceConfig, batcher: Batcher, tmp_path: Path) -> None:
    run = trainer(sequence_config, batcher, tmp_path, steps=60)
    losses = [run.train_step() for _ in range(60)]
    for name in ("map", "boxes", "text"):
        assert sum(row[name] for row in losses[-10:]) < 0.8 * sum(row[name] for row in losses[:10])


def test_a_finished_run_has_a_log_scores_and_a_state(
    sequence_config: SequenceConfig, batcher: Batcher, tmp_path: Path
) -> None:
    run = trainer(sequence_config, batcher, tmp_path, steps=2)
    run.run()
    rows = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert rows[0]["step"] == 2
    assert "free_weights" in rows[-1]
    assert (tmp_path / STATE).is_dir()
    assert run.finished


def test_evaluation_sees_the_average_and_leaves_the_weights(
    sequence_config: SequenceConfig, batcher: Batcher, tmp_path: Path
) -> None:
    run = trainer(sequence_config, batcher, tmp_path, steps=5)
    for value in run.average.held.values():
        value.zero_()
    before = run.model.head.weight.clone()
    assert run.score() == {"weights": 0.0}
    assert torch.equal(run.model.head.weight, before)


def test_a_damaged_state_is_refused(sequence_config: SequenceConfig, batcher: Batcher, tmp_path: Path) -> None:
    run = trainer(sequence_config, batcher, tmp_path, steps=2)
    run.save()
    (tmp_path / STATE / "tensors.safetensors").write_bytes(b"not a tensor")
    with pytest.raises(CheckpointError, match="delete it"):
        run.resume()


def test_learning_rate_warms_up_and_falls_to_its_final_share() -> None:
    config = TrainConfig(model="", optimiser=OptimiserConfig(learning_rate=1.0, warm_up=10, final_share=0.1))
    assert learning_rate(config, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(config, 100, 0.0) == pytest.approx(1.0)
    assert learning_rate(config, 100, 0.5) == pytest.approx(0.55)
    assert learning_rate(config, 100, 1.0) == pytest.approx(0.1)


def test_the_first_part_of_a_run_may_hold_other_batches(
    sequence_config: SequenceConfig, batcher: Batcher, tmp_path: Path
) -> None:
    run = trainer(sequence_config, batcher, tmp_path, steps=10)
    first = BatchConfig(frames=1, referring_maps=0, semantic_maps=0, boxes=0, captions=1, grounding=2)
    run.config = TrainConfig(model="", steps=10, batch=BATCH, first_batch=first, first_share=0.5)
    assert run.batch_config is first
    run.step = 5
    assert run.batch_config is BATCH
