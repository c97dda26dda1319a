"""The training loop: steps, weight average, resumable states, log, free-running evaluation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.sequence_model import SequenceConfig, SequenceModel
from instructseq_model.vision import VisionEncoder
from instructseq_training.batch import Batch, Batches
from instructseq_training.blocks import prepare_blocks
from instructseq_training.config import BatchConfig, TrainConfig
from instructseq_training.flops import BACKWARD, batch_shape, encoder_flops, training_flops
from instructseq_training.hardware import autocast, peak_flops
from instructseq_training.losses import StepLosses, all_losses, loss_counts, weighted
from instructseq_training.map_history import MapHistory, draw_history
from instructseq_training.parallel import Processes, clip_gradients, piece
from instructseq_training.prefetch import Prefetch
from instructseq_training.progress import Journal, Meter
from instructseq_training.samples import Sample
from instructseq_training.states import gather_state, newest_state, optimised, restore_state, write_state
from instructseq_training.trained_parts import VISION, TrainedParts, for_evaluation
from instructseq_training.weight_average import WeightAverage

LOG = "log.jsonl"
STATE = "state"
REPORT_STEPS = 20

Evaluation = Callable[[TrainedParts], dict[str, float]]
Sampling = Callable[[TrainedParts], list[Sample]]


class Trainer:
    """One training run, or one process's part in it.

    Args:
        model: changed in place; the same in every process.
        batches: gives the batch of a step.
        config: the run's settings.
        out: folder of log and state, shared by all processes.
        evaluate: scores what is trained by letting it run free; called with the averaged weights, in the main process.
        sample: answers to be looked at, for TensorBoard; None for none.
        processes: that train together; None for this one alone, on the CPU.
        vision: an image encoder that learns with the model, changed in place; None where it is frozen.

    Raises:
        ConfigError: a step has too few frames for so many processes.
    """

    def __init__(
        self,
        *,
        model: SequenceModel,
        batches: Batches,
        config: TrainConfig,
        out: Path,
        evaluate: Evaluation,
        sample: Sampling | None = None,
        processes: Processes | None = None,
        vision: VisionEncoder | None = None,
    ) -> None:
        self.model, self.config, self.out, self.evaluate, self.sample = model, config, out, evaluate, sample
        self.processes = processes or Processes()
        self.shape: SequenceConfig = model.config
        for batch_config in (config.batch, config.first_batch):
            if batch_config is not None:
                self.places(batch_config)
        self.vision = vision
        self.trained = TrainedParts(model, vision).as_module()
        prepare_blocks(self.trained, config.execution)
        self.processes.copy_from_main(self.trained)
        self.module = self.processes.wrap(StepLosses(model, config.loss, vision=vision))
        self.optimiser = build_optimiser(self.trained, config)
        self.average = WeightAverage(self.trained, layout=config.execution.average, processes=self.processes)
        self.batches = batches
        self.source = Prefetch(batches, ahead=config.execution.prefetch)
        self.step = 0
        self.seconds = 0.0
        out.mkdir(parents=True, exist_ok=True)

    def resume(self) -> bool:
        """Take up the run in `out`, if there is one; returns whether there was."""
        folder = newest_state(self.out / STATE)
        if folder is None:
            return False
        progress = restore_state(folder, self.trained, self.optimiser, self.average)
        self.step, self.seconds = int(progress["step"]), float(progress["seconds"])
        return True

    def run(self) -> None:
        """Train to the limit of steps or minutes; saves and evaluates on the way and at the end."""
        peak = peak_flops(self.processes.device) * self.processes.world if self.processes.main else 1.0
        meter = Meter(peak=peak)
        tensorboard = self.out / "tensorboard" if self.config.tensorboard else None
        with Journal(self.out / LOG, tensorboard=tensorboard, speaks=self.processes.main) as journal:
            began, before = time.monotonic(), self.seconds
            evaluated = saved = 0.0  # seconds since `began` by the main process's clock, in every process
            while not self.finished:
                meter.add(self.train_step())
                elapsed = self.processes.from_main(time.monotonic() - began)
                self.seconds = before + elapsed
                journal.show(self._row(meter.latest()), self.progress)
                if self.step % REPORT_STEPS == 0 or self.finished:
                    journal.write(self._row(meter.mean() | {"eta_minutes": self._remaining / 60}))
                if elapsed - saved > 60 * self.config.save_minutes:
                    self._save_or_warn(journal)
                    saved = elapsed
                if elapsed - evaluated > 60 * self.config.evaluate_minutes:
                    self.score(journal)
                    evaluated = self.processes.from_main(time.monotonic() - began)
            self.source.close()
            self.save()
            self.score(journal)

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

    @property
    def _remaining(self) -> float:
        """Seconds to the end at the pace so far."""
        return self.seconds * (1 - self.progress) / max(self.progress, 1e-9)

    def places(self, config: BatchConfig) -> list[range]:
        """Which of a step's frames this process works on, in parts that it takes one after the other.

        Raises:
            ConfigError: a process would have nothing to do in a part.
        """
        world, frames = self.processes.world, config.frames
        most = -(-frames // world)
        parts = -(-most // (self.config.execution.frames_at_once or most))
        if frames // world < parts:
            raise ConfigError(
                f"{frames} frames a step are too few for {world} processes of {parts} parts; make batch.frames and "
                f"first_batch.frames a multiple of {world}, or start fewer processes"
            )
        share = self.processes.share(frames)
        return [piece(share, parts, index) for index in range(parts)]

    def train_step(self) -> dict[str, float]:
        """One step; returns its losses, the gradient's norm, the learning rate and what it took."""
        began = time.monotonic()
        batch_config = self.batch_config
        places = self.places(batch_config)
        parts = self.source.parts(self.step, batch_config, places)
        loaded = time.monotonic()
        rate = learning_rate(self.config, self.step, self.progress)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        losses = self._gradients(parts, batch_config)
        norm = clip_gradients(self.trained, self.config.optimiser.clip)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        # The average warms up with the run, so that early weights do not linger in a short one.
        self.average.update(self.trained, min(self.config.optimiser.average, (1 + self.step) / (10 + self.step)))
        self.step += 1
        values = dict(losses)
        values["instructions"] = sum(len(part.examples) for part in parts)
        values["flops"] = sum(self._flops(part) for part in parts)
        spent = time.monotonic() - began
        return self.processes.sum(values) | {
            "norm": float(norm),
            "rate": rate,
            "seconds": spent,
            "wait": loaded - began,
        }

    def _flops(self, part: Batch) -> float:
        """Operations of the forward and backward pass of a part."""
        learned = training_flops(self.shape, batch_shape(part))
        if self.vision is None:
            return learned
        return learned + (1 + BACKWARD) * encoder_flops(self.vision, images=len(part.images))

    def _gradients(self, parts: list[Batch], config: BatchConfig) -> dict[str, float]:
        """Forward and backward of this process's parts; returns their losses, which add up to the step's."""
        device = self.processes.device
        counts = self._counts(parts)
        history = self._history(config)
        sums: dict[str, Tensor] = {}
        self.trained.train()
        for index, part in enumerate(parts):
            rows = history.rows(part.map_numbers).to(device)
            with self.processes.accumulating(self.module, last=index == len(parts) - 1):
                with autocast(device, self.config.execution.precision):
                    losses = self.module(part.to(device), counts, rows)
                    # Processes average their gradients; the losses are shares of a sum.
                    loss = weighted(losses, self.config.loss) * self.processes.world
                loss.backward()
            for name, value in losses.items():
                sums[name] = sums[name] + value.detach() if name in sums else value.detach()
        self.processes.finish_gradients(self.module)
        return all_losses(sums, counts)

    def _counts(self, parts: list[Batch]) -> dict[str, float]:
        """What the whole step's losses are means over."""
        counts = [loss_counts(part, self.shape) for part in parts]
        return self.processes.sum({name: sum(held[name] for held in counts) for name in counts[0]})

    def _history(self, config: BatchConfig) -> MapHistory:
        """How the histories of all maps of the step are changed, whoever works on them."""
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.step)
        length = self.shape.map_grid**2 - 1
        return draw_history(
            self.batches.most_maps(config),
            length,
            hide=self.config.loss.corruption,
            draw=self.config.loss.drawn_history,
            generator=generator,
        )

    def score(self, journal: Journal | None = None) -> dict[str, float]:
        """Evaluate the averaged weights, free-running, in the main process; the others wait and get nothing."""
        average = self.average.whole()
        scores: dict[str, float] = {}
        if self.processes.main:
            trained = for_evaluation(self.shape, average, self.vision)
            scores = self.evaluate(trained)
            if journal is not None:
                journal.write(self._row({f"free_{name}": value for name, value in scores.items()}))
                if self.sample is not None and self.config.tensorboard:
                    journal.samples(self.step, self.sample(trained))
        self.processes.wait()
        return scores

    def save(self) -> None:
        """Write the resumable state; the one before it stays whole until this one is.

        Raises:
            CheckpointError: it could not be written.
        """
        tensors = gather_state(self.trained, self.optimiser, self.average, self.processes)
        if self.processes.main:
            write_state(self.out / STATE, tensors, {"step": self.step, "seconds": self.seconds})
        self.processes.wait()

    def _save_or_warn(self, journal: Journal) -> None:
        """Save; a disk that is full now may have room again before the run ends."""
        try:
            self.save()
        except CheckpointError as error:
            journal.say(str(error))
            self.processes.wait()  # where the others are after a save

    def _row(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {"step": self.step, "minutes": round(self.seconds / 60, 2)} | dict(values)


def build_optimiser(trained: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW with decay on matrices; weights in shards and others go into groups of their own, as it wants them.

    A group's `share` is its part of the run's learning rate: 1, but for the image encoder.

    Args:
        trained: of `TrainedParts.as_module`.
        config: the run's settings.
    """
    of_vision = {id(p) for name, p in trained.named_parameters() if name.startswith(VISION)}
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for parameter in optimised(trained):
        decay = config.optimiser.weight_decay if parameter.ndim >= 2 else 0.0
        share = config.vision.learning_rate / config.optimiser.learning_rate if id(parameter) in of_vision else 1.0
        groups.setdefault((decay, share, isinstance(parameter, DTensor)), []).append(parameter)
    held = [{"params": params, "weight_decay": decay, "share": share} for (decay, share, _), params in groups.items()]
    return torch.optim.AdamW(held, lr=config.optimiser.learning_rate, betas=(0.9, 0.98), fused=True)


def learning_rate(config: TrainConfig, step: int, progress: float) -> float:
    """Linear warm-up over steps, then a cosine down to the final share at progress 1."""
    optimiser = config.optimiser
    warm = min(1.0, (step + 1) / max(1, optimiser.warm_up))
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return optimiser.learning_rate * warm * (optimiser.final_share + (1 - optimiser.final_share) * cosine)
