"""The training loop: steps, weight average, resumable states, log, free-running evaluation."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from instructseq_model.sequence_model import SequenceModel
from instructseq_training.batches import Batcher
from instructseq_training.config import BatchConfig, TrainConfig
from instructseq_training.losses import batch_losses, weighted
from instructseq_training.states import load_state, save_state

LOG = "log.jsonl"
STATE = "state"

Evaluation = Callable[[SequenceModel], dict[str, float]]


class Trainer:
    """One training run.

    Args:
        model: changed in place.
        batcher: gives the batch of a step.
        config: the run's settings.
        out: folder of log and state.
        evaluate: scores a model by letting it run free; called with the averaged weights.
        device: where the model runs.
    """

    def __init__(
        self,
        *,
        model: SequenceModel,
        batcher: Batcher,
        config: TrainConfig,
        out: Path,
        evaluate: Evaluation,
        device: torch.device | None = None,
    ) -> None:
        self.model, self.batcher, self.config, self.out, self.evaluate = model, batcher, config, out, evaluate
        self.device = device or torch.device("cpu")
        matrices = [p for p in model.parameters() if p.ndim >= 2]
        others = [p for p in model.parameters() if p.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": config.optimiser.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=config.optimiser.learning_rate, betas=(0.9, 0.98), fused=True)
        self.average = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self.step = 0
        self.seconds = 0.0
        self.console = Console()
        self._recent: dict[str, list[float]] = defaultdict(list)
        out.mkdir(parents=True, exist_ok=True)

    def resume(self) -> bool:
        """Take up the run in `out`, if there is one; returns whether there was."""
        if not (self.out / STATE).is_dir():
            return False
        progress = load_state(self.out / STATE, self.model, self.optimiser, self.average)
        self.step, self.seconds = int(progress["step"]), float(progress["seconds"])
        return True

    def run(self) -> None:
        """Train to the limit of steps or minutes; saves and evaluates on the way and at the end."""
        evaluated = saved = began = time.monotonic()
        before = self.seconds
        while not self.finished:
            self._report(self.train_step())
            now = time.monotonic()
            self.seconds = before + now - began
            if now - saved > 60 * self.config.save_minutes:
                self.save()
                saved = now
            if now - evaluated > 60 * self.config.evaluate_minutes:
                self.score()
                evaluated = time.monotonic()
        self.save()
        self.score()

    @property
    def progress(self) -> float:
        """Share of the run that is done, in [0, 1]: of the steps or of the minutes, whichever ends it first."""
        by_steps = self.step / self.config.steps
        by_minutes = self.seconds / (60 * self.config.minutes) if self.config.minutes else 0.0
        return min(1.0, max(by_steps, by_minutes))

    @property
    def batch_config(self) -> BatchConfig:
        """What the next step holds."""
        first = self.config.first_batch
        return first if first is not None and self.progress < self.config.first_share else self.config.batch

    @property
    def finished(self) -> bool:
        """Whether the limit is reached."""
        return self.progress >= 1.0

    def train_step(self) -> dict[str, float]:
        """One step; returns its losses, the gradient's norm and the learning rate."""
        began = time.monotonic()
        batch = self.batcher.batch(self.step, self.batch_config)
        loaded = time.monotonic()
        rate = learning_rate(self.config, self.step, self.progress)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.step)
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16):
            losses = batch_losses(self.model, batch.to(self.device), self.config.loss, generator=generator)
            loss = weighted(losses, self.config.loss)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optimiser.clip)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self._average()
        self.step += 1
        values = {name: float(value.detach()) for name, value in losses.items()}
        spent = time.monotonic() - began
        return values | {
            "norm": float(norm),
            "rate": rate,
            "instructions": len(batch.examples),
            "seconds": spent,
            "wait": loaded - began,
        }

    @torch.no_grad()
    def _average(self) -> None:
        # The average warms up with the run, so that early weights do not linger in a short one.
        decay = min(self.config.optimiser.average, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)

    def _report(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._recent[name].append(value)
        if self.step % 20 and not self.finished:
            return
        row: dict[str, Any] = {"step": self.step, "minutes": round(self.seconds / 60, 2)}
        row |= {name: round(sum(held) / len(held), 5) for name, held in self._recent.items()}
        self._recent.clear()
        self._log(row)

    def score(self) -> dict[str, float]:
        """Evaluate the averaged weights, free-running."""
        held = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        self.model.eval()
        try:
            scores = self.evaluate(self.model)
        finally:
            self.model.load_state_dict(held)
        self._log(
            {"step": self.step, "minutes": round(self.seconds / 60, 2)} | {f"free_{k}": v for k, v in scores.items()}
        )
        return scores

    def save(self) -> None:
        """Write the resumable state; the one before it stays whole until this one is."""
        save_state(
            self.out / STATE,
            self.model,
            self.optimiser,
            self.average,
            {"step": self.step, "seconds": self.seconds},
        )

    def _log(self, row: dict[str, Any]) -> None:
        with (self.out / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        shown = " ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items())
        self.console.print(shown, soft_wrap=True)


def learning_rate(config: TrainConfig, step: int, progress: float) -> float:
    """Linear warm-up over steps, then a cosine down to the final share at progress 1."""
    optimiser = config.optimiser
    warm = min(1.0, (step + 1) / max(1, optimiser.warm_up))
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return optimiser.learning_rate * warm * (optimiser.final_share + (1 - optimiser.final_share) * cosine)
