"""The training loop of the VQ-VAE."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from instructseq_model.errors import CheckpointError
from instructseq_model.vqvae import VQVAE, VQVAEConfig
from instructseq_training.vqvae.codebook import RunningCodebook, k_means
from instructseq_training.vqvae.flat_codes import flat_labels, unify_flat_codes
from instructseq_training.vqvae.maps import MapBatch, MapSource, Palettes, draw_batch
from instructseq_training.vqvae.objectives import flat_spread, palette_cross_entropy
from instructseq_training.vqvae.recipe import Recipe
from instructseq_training.vqvae.snapshot import read_snapshot, write_snapshot

POINTS_A_CODE = 12  # latents a code that k-means sees
UNIFYING_MAPS = 400  # whole maps over which the codes of flat colours are counted


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """Means over the workers of one step; `moved` counts codes given a new place, `seconds` is the step's time."""

    step: int
    loss: float
    l1: float
    palette: float
    commitment: float
    flat: float
    moved: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Share:
    parts: dict[str, float]
    gradients: tuple[Tensor, ...]
    latents: Tensor  # M x D
    codes: Tensor | None  # M


class Trainer:
    """One run: model, optimiser, codebook and step; the same seed gives the same run, interrupted or not.

    Args:
        config: shape of the model.
        recipe: how to train.
        source: whole maps, of `config.resolution`.
        palettes: their colours.
    """

    def __init__(self, config: VQVAEConfig, recipe: Recipe, *, source: MapSource, palettes: Palettes) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.source = source
        self.colours = palettes.tensor()
        self.model = VQVAE(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model.quantize.requires_grad_(False)
        self.running = RunningCodebook(self.model.quantize, decay=recipe.decay, least_use=recipe.least_use)
        self.pool = ThreadPoolExecutor(recipe.workers)
        learned = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(learned, lr=recipe.learning_rate, betas=(0.9, 0.99), fused=True)
        self.step = 0
        self.has_codebook = False

    def start_from(self, model: VQVAE) -> None:
        """Begin with the weights and the codebook of a trained model instead of chance and k-means.

        Raises:
            CheckpointError: it has another shape.
        """
        if model.config != self.model.config:
            raise CheckpointError(f"cannot start from a VQ-VAE of another shape: {model.config}; use its configuration")
        self.model.load_state_dict(model.state_dict())
        self.running.start(model.codebook)
        self.has_codebook = True

    def run(self, *, folder: Path | None = None, report: Callable[[StepReport], None] = lambda _: None) -> VQVAE:
        """Train to the last step.

        Args:
            folder: where snapshots are kept; None keeps none.
            report: called after every step.

        Returns:
            The trained model, in evaluation mode.
        """
        while self.step < self.recipe.steps:
            report(self.advance())
            if folder is not None and (self.step % self.recipe.save_every == 0 or self.step == self.recipe.steps):
                write_snapshot(folder, step=self.step, model=self.model, running=self.running, optimizer=self.optimizer)
        return self.model.eval()

    def resume(self, folder: Path) -> bool:
        """Go on from the snapshot in `folder`, if there is one.

        Raises:
            CheckpointError: the snapshot is damaged, of another shape, or further than this recipe goes.
        """
        step = read_snapshot(folder, model=self.model, running=self.running, optimizer=self.optimizer)
        if step > self.recipe.steps:
            raise CheckpointError(
                f"{folder}: is at step {step} of {self.recipe.steps}; raise steps or choose another folder"
            )
        self.step = step
        return step > 0

    @property
    def quantised(self) -> bool:
        """Whether the next step goes through the codebook."""
        return self.step >= self.recipe.free_steps

    @property
    def frozen(self) -> bool:
        """Whether in the next step only the decoder learns."""
        return self.step >= self.recipe.joint_steps

    @property
    def learned(self) -> list[torch.nn.Parameter]:
        """What the next step changes by gradient."""
        if self.frozen:
            return [*self.model.decoder.parameters(), *self.model.post_quant_conv.parameters()]
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def advance(self) -> StepReport:
        """One step of the optimiser and of the codebook."""
        began = time.monotonic()
        self._change_phase()
        batch, workers = self._batch(self.step), self.recipe.workers
        shares = list(self.pool.map(self._share, [batch.part(index, workers) for index in range(workers)]))
        self._apply_gradients([share.gradients for share in shares])
        moved = self._move_codes(shares) if self.quantised and not self.frozen else 0
        self.step += 1
        means = {name: sum(share.parts[name] for share in shares) / workers for name in shares[0].parts}
        return StepReport(step=self.step, moved=moved, seconds=time.monotonic() - began, **means)

    def _share(self, batch: MapBatch) -> _Share:
        """One worker's part of a step. Workers share the weights, so gradients are returned, not accumulated."""
        parts, latents, codes = self._losses(batch)
        recipe = self.recipe
        loss = parts["l1"] + recipe.palette_weight * parts["palette"]
        loss = loss + recipe.commitment * parts["commitment"] + recipe.flat_weight * parts["flat"]
        gradients = torch.autograd.grad(loss, self.learned)
        values = {name: float(value.detach()) for name, value in {"loss": loss, **parts}.items()}
        return _Share(parts=values, gradients=gradients, latents=latents.detach(), codes=codes)

    def _apply_gradients(self, gradients: list[tuple[Tensor, ...]]) -> None:
        self.optimizer.zero_grad(set_to_none=True)  # Adam leaves alone what has no gradient
        for parameter, *each in zip(self.learned, *gradients, strict=True):
            parameter.grad = sum(each[1:], start=each[0]) / len(each)
        torch.nn.utils.clip_grad_norm_(self.learned, 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        self.optimizer.step()

    def _batch(self, step: int) -> MapBatch:
        recipe = self.recipe
        crop = self.model.config.resolution if step >= recipe.joint_steps else recipe.crop
        rng = np.random.default_rng((recipe.seed, step))
        return draw_batch(self.source, rng, maps=recipe.maps, crop=crop, referring_share=recipe.referring_share)

    def _latents(self, batch: MapBatch) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self.model.latents(batch.images(self.colours)).float()  # B x D x h x w

    def _losses(self, batch: MapBatch) -> tuple[dict[str, Tensor], Tensor, Tensor | None]:
        """The loss terms, the latents as rows (M x D) and, where quantised, the codes (M)."""
        with torch.no_grad() if self.frozen else nullcontext():
            latents = self._latents(batch)
        rows = _rows(latents)
        decoded_from, codes, commitment = latents, None, latents.new_zeros(())
        if self.quantised:
            codes = self.model.quantise(latents)  # B x h x w
            entries = self.model.codebook[codes].movedim(-1, 1)  # B x D x h x w
            commitment = (latents - entries).square().mean() / (latents.detach().var() + 1e-6)
            decoded_from = latents + (entries - latents).detach()  # the gradient passes straight through
            codes = codes.flatten()
        with torch.autocast("cpu", torch.bfloat16):
            images = self.model.decode_latents(decoded_from)
        flat, labels = flat_labels(batch, self.model.config.reduction)
        colours, temperature = self.colours[batch.kinds], self.recipe.temperature
        parts = {
            "l1": (images.float() - batch.images(self.colours)).abs().mean(),
            "palette": palette_cross_entropy(images, batch.ids, colours, temperature=temperature),
            "commitment": commitment,
            "flat": flat_spread(rows[flat.flatten()], labels[flat]),
        }
        return parts, rows, codes

    def _move_codes(self, shares: list[_Share]) -> int:
        restarting = self.step < self.recipe.restart_share * self.recipe.joint_steps
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.step) if restarting else None
        codes = torch.cat([share.codes for share in shares if share.codes is not None])
        return self.running.update(torch.cat([share.latents for share in shares]), codes, generator=generator)

    def _change_phase(self) -> None:
        if self.step == self.recipe.free_steps and not self.has_codebook:
            self._start_codebook()
        if self.step == self.recipe.joint_steps:
            self._unify()

    @torch.no_grad()
    def _start_codebook(self) -> None:
        """K-means over the latents of fresh maps."""
        wanted = POINTS_A_CODE * self.model.config.codes
        found = [_rows(self._latents(self._batch(self.step)))]
        for extra in range(1, -(-wanted // len(found[0]))):
            found.append(_rows(self._latents(self._batch(self.step + extra))))
        generator = torch.Generator().manual_seed(self.recipe.seed)
        self.running.start(k_means(torch.cat(found), self.model.config.codes, rounds=5, generator=generator))

    @torch.no_grad()
    def _unify(self) -> None:
        """One code for every flat colour, before the decoder goes on alone."""
        latents, flats, labels = [], [], []
        for index in range(-(-UNIFYING_MAPS // self.recipe.maps)):
            batch = self._batch(self.recipe.steps + index)
            flat, label = flat_labels(batch, self.model.config.reduction)
            latents.append(_rows(self._latents(batch)))
            flats.append(flat.flatten())
            labels.append(label.flatten())
        unify_flat_codes(self.model.quantize, torch.cat(latents), torch.cat(flats), torch.cat(labels))


def _rows(latents: Tensor) -> Tensor:
    """B x D x h x w -> B*h*w x D."""
    return latents.movedim(1, -1).reshape(-1, latents.shape[1])
