"""Trains the tiny world in a process of its own, alone or under torchrun: what tests of whole processes start.

    python tiny_run.py SCENARIOS.json

SCENARIOS is a list of {"out": folder, "execution": {...}, "steps": n, "state": "save", "resume", "each" or null}. Each
writes the losses of its steps to `out`/losses.json. "each" saves after every step.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from instructseq_model.sequence_model import SequenceModel
from instructseq_training.config import BatchConfig, ExecutionConfig, TrainConfig
from instructseq_training.parallel import Processes
from instructseq_training.trainer import Trainer

sys.path.insert(0, str(Path(__file__).parent))

import tiny_world
from tiny_training import OPTIMISER, STEPS, run_scenarios, sum_of_weights, write_losses

BATCH = BatchConfig(frames=4, referring_maps=1, semantic_maps=1, boxes=2, captions=1, grounding=2, low_precision=False)


def tiny_trainer(out: Path, execution: ExecutionConfig, processes: Processes | None = None, **settings: Any) -> Trainer:
    """A trainer of the tiny world; in float32, so that sums in another order stay close."""
    config = TrainConfig(
        model="",
        steps=settings.pop("steps", STEPS),
        batch=settings.pop("batch", BATCH),
        optimiser=OPTIMISER,
        execution=execution,
        **settings,
    )
    sequence = tiny_world.sequence_config(tiny_world.WHOLE)
    batcher = tiny_world.batcher(sequence)
    torch.manual_seed(1)
    return Trainer(
        model=SequenceModel(sequence),
        batches=batcher,
        config=config,
        out=out,
        evaluate=sum_of_weights,
        processes=processes,
    )


def run(scenario: dict[str, Any], processes: Processes) -> None:
    """One scenario."""
    out = Path(scenario["out"])
    trainer = tiny_trainer(out, ExecutionConfig(**scenario["execution"]), processes)
    if scenario.get("state") == "resume":
        assert trainer.resume()
    rows = []
    while trainer.step < scenario["steps"]:
        rows.append(trainer.train_step() | {"step": trainer.step})
        if scenario.get("state") == "each":
            trainer.save()
    if scenario.get("state") == "save":
        trainer.save()
    write_losses(trainer, rows, processes)


if __name__ == "__main__":
    run_scenarios(run)
