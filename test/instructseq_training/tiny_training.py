"""What trainings of tiny models have in common, and how they run in processes of their own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from instructseq_training.config import OptimiserConfig
from instructseq_training.parallel import Processes, join, leave
from instructseq_training.trained_parts import TrainedParts
from instructseq_training.trainer import Trainer

STEPS = 4
OPTIMISER = OptimiserConfig(warm_up=2, learning_rate=1e-3, final_share=1.0, clip=1.0)


def sum_of_weights(trained: TrainedParts) -> dict[str, float]:
    """An evaluation that any change of a weight shows in."""
    return {"weights": float(sum(value.abs().sum() for value in trained.as_module().parameters()))}


def write_losses(trainer: Trainer, rows: list[dict[str, float]], processes: Processes) -> None:
    """Leave the losses of a run's steps and its scores in its folder; of several processes, the first one writes."""
    scores = trainer.score()
    if processes.main:
        (trainer.out / "losses.json").write_text(json.dumps({"rows": rows, "scores": scores}))


def run_scenarios(run: Callable[[dict[str, Any], Processes], None]) -> None:
    """What a program does that is given a file of scenarios: run each, alone or as one of several processes."""
    torch.set_num_threads(1)
    for scenario in json.loads(Path(sys.argv[1]).read_text()):
        run(scenario, join(scenario["execution"]["parallel"], device=torch.device("cpu")))
    leave()
