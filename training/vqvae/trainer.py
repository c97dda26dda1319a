"""The training loop of the VQ-VAE."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.vqvae import VQVAE, VQVAEConfig
from instructseq_training.parallel import Processes
from instructseq_training.vqvae.adversary import Adversary, adaptive_weight
from instructseq_training.vqvae.codebook import RunningCodebook, k_means
from instructseq_training.vqvae.exchange import average, gather
from instructseq_training.vqvae.flat_codes import flat_labels, unify_flat_codes
from instructseq_training.vqvae.maps import MapBatch, MapSource, Palettes, draw_batch
from instructseq_training.vqvae.objectives import flat_spread
from instructseq_training.vqvae.recipe import Recipe
from instructseq_training.vqvae.reconstruction import Painting, ReconstructionLoss, reconstruction_losses
from instructseq_training.vqvae.snapshot import read_snapshot, write_snapshot
from instructseq_training.vqvae.start import load_start

POINTS_A_CODE = 12  # latents a code that k-means sees
UNIFYING_MAPS = 400  # whole maps over which the codes of flat colours are counted


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """One step.

    Attributes:
        step: its number, from 1.
        losses: unweighted means over all parts of the step, by name; "loss" is their weighted sum.
        moved: codes that were given a new place.
        seconds: that it took.
    """

    step: int
    losses: Mapping[str, float]
    moved: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Share:
    parts: dict[str, float]
    gradients: tuple[Tensor, ...]
    opposing: tuple[Tensor, ...]  # gradients of the discriminator, where it is at work
    latents: Tensor  # M x D
    codes: Tensor | None  # M


class Trainer:
    """One run: model, optimiser, codebook and step; the same seed gives the same run, interrupted or not.

    Args:
        config: shape of the model.
        recipe: how to train.
        source: whole maps, of `config.resolution`.
        palettes: their colours.
        losses: of the decoded maps, by name; None for those of the recipe, where it has no `perceptual`.
        adversary: a discriminator on the processes' device, where the recipe has one.
        processes: that train together, each on its part of every step's maps.

    Raises:
        ConfigError: a step's maps cannot be divided among processes and workers.
    """

    def __init__(
        self,
        config: VQVAEConfig,
        recipe: Recipe,
        *,
        source: MapSource,
        palettes: Palettes,
        losses: Mapping[str, ReconstructionLoss] | None = None,
        adversary: Adversary | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.processes = processes or Processes()
        if recipe.maps % (self.processes.world * recipe.workers):
            raise ConfigError(
                f"training: maps ({recipe.maps}) must be a multiple of processes times workers "
                f"({self.processes.world} x {recipe.workers})"
            )
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.source = source
        self.device = self.processes.device
        self.colours = palettes.tensor().to(self.device)
        self.model = VQVAE(config).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model.quantize.requires_grad_(False)
        self.running = RunningCodebook(self.model.quantize, decay=recipe.decay, least_use=recipe.least_use)
        self.running.to(self.device)
        self.losses = losses if losses is not None else reconstruction_losses(recipe)
        self.adversary = adversary
        self.pool = ThreadPoolExecutor(recipe.workers)
        self.drawing = ThreadPoolExecutor(1)
        self.drawn: dict[int, Future[MapBatch]] = {}  # by step: what is drawn ahead
        learned = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(learned, lr=recipe.learning_rate, betas=(0.9, 0.99), fused=True)
        self.step = 0
        self.has_codebook = False

    def start_from(self, source: Path) -> None:
        """Begin with the weights and the codebook of a VQ-VAE instead of chance and k-means (see `load_start`).

        Raises:
            CheckpointError: it is missing, damaged or of another shape.
            ConfigError: the recipe has steps without a codebook.
        """
        if self.recipe.free_steps:
            raise ConfigError(
                f"training: a run that starts from {source} has a codebook, and free_steps "
                f"({self.recipe.free_steps}) would train past it; set free_steps: 0"
            )
        load_start(self.model, source)
        self.running.start(self.model.codebook)
        self.has_codebook = True

    def run(self, *, folder: Path | None = None, report: Callable[[StepReport], None] = lambda _: None) -> VQVAE:
        """Train to the last step.

        Args:
            folder: where the main process keeps snapshots; None keeps none.
            report: called after every step.

        Returns:
            The trained model, in evaluation mode.
        """
        while self.step < self.recipe.steps:
            report(self.advance())
            due = self.step % self.recipe.save_every == 0 or self.step == self.recipe.steps
            if folder is not None and due and self.processes.main:
                self.save(folder)
        return self.model.eval()

    def save(self, folder: Path) -> None:
        """Replace the snapshot in `folder`."""
        write_snapshot(folder, step=self.step, tensors=self._tensors(), optimizers=self._optimizers())

    def resume(self, folder: Path) -> bool:
        """Go on from the snapshot in `folder`, if there is one.

        Raises:
            CheckpointError: the snapshot is damaged, of another shape, or further than this recipe goes.
        """
        step = read_snapshot(folder, tensors=self._tensors(), optimizers=self._optimizers())
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
        batch, workers = self._own_batch(), self.recipe.workers
        parts = [batch.part(index, workers).to(self.device) for index in range(workers)]
        shares = list(self.pool.map(self._share, parts))
        self._apply_gradients([share.gradients for share in shares], [share.opposing for share in shares])
        moved = self._move_codes(shares) if self.quantised and not self.frozen else 0
        self.step += 1
        count = workers * self.processes.world
        sums = self.processes.sum({name: sum(share.parts[name] for share in shares) for name in shares[0].parts})
        means = {name: value / count for name, value in sums.items()}
        return StepReport(step=self.step, losses=means, moved=moved, seconds=time.monotonic() - began)

    def _tensors(self) -> dict[str, Tensor]:
        """All that learns, as it lies in memory."""
        held = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        held |= {f"running.{name}": value for name, value in self.running.named_buffers()}
        if self.adversary is not None:
            held |= {f"adversary.{n}": value for n, value in self.adversary.discriminator.state_dict().items()}
        return held

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        opposing = {} if self.adversary is None else {"opposing": self.adversary.optimizer}
        return {"optimizer": self.optimizer, **opposing}

    def _share(self, batch: MapBatch) -> _Share:
        """One worker's part of a step. Workers share the weights, so gradients are returned, not accumulated."""
        recipe = self.recipe
        opposing: tuple[Tensor, ...] = ()
        painting, parts, latents, codes = self._forward(batch)
        reconstruction = torch.zeros((), device=self.device)
        for name, loss_of in self.losses.items():
            parts[name] = loss_of(painting)
            reconstruction = reconstruction + loss_of.weight * parts[name]
        loss = reconstruction + recipe.commitment * parts["commitment"] + recipe.flat_weight * parts["flat"]
        adversary = self.adversary
        if adversary is not None and adversary.at_work(self.step):
            parts["fooling"] = adversary.fooling(painting.found)
            scale = adaptive_weight(reconstruction, parts["fooling"], self.model.decoder.conv_out.weight)
            loss = loss + adversary.config.weight * scale * parts["fooling"]
            parts["opposing"], opposing = adversary.opposing(painting.found, painting.truth)
        gradients = torch.autograd.grad(loss, self.learned)
        values = {name: float(value.detach()) for name, value in {"loss": loss, **parts}.items()}
        return _Share(parts=values, gradients=gradients, opposing=opposing, latents=latents.detach(), codes=codes)

    def _apply_gradients(self, own: list[tuple[Tensor, ...]], opposing: list[tuple[Tensor, ...]]) -> None:
        rate = self.recipe.rate(self.step)
        self._set_gradients(self.learned, own)
        torch.nn.utils.clip_grad_norm_(self.learned, 1.0)
        _advance(self.optimizer, rate)
        if self.adversary is not None and opposing[0]:
            self._set_gradients(self.adversary.parameters, opposing)
            _advance(self.adversary.optimizer, rate)

    def _set_gradients(self, parameters: list[torch.nn.Parameter], gradients: list[tuple[Tensor, ...]]) -> None:
        """Means over all workers of all processes."""
        for parameter, *each in zip(parameters, *gradients, strict=True):
            parameter.grad = sum(each[1:], start=each[0]) / len(each)
        average(self.processes, [parameter.grad for parameter in parameters if parameter.grad is not None])

    def _batch(self, step: int, *, rank: int = 0, world: int = 1) -> MapBatch:
        recipe = self.recipe
        crop = self.model.config.resolution if step >= recipe.joint_steps else recipe.crop
        return draw_batch(
            self.source,
            (recipe.seed, step),
            maps=recipe.maps,
            crop=crop,
            referring_share=recipe.referring_share,
            rank=rank,
            world=world,
        )

    def _own_batch(self) -> MapBatch:
        """This process's maps of the next step, and the beginning of those after it, beside the step's work."""
        drawn = self.drawn.pop(self.step, None) or self._draw(self.step)
        self.drawn = {self.step + 1: self._draw(self.step + 1)}
        return drawn.result()

    def _draw(self, step: int) -> Future[MapBatch]:
        return self.drawing.submit(self._batch, step, rank=self.processes.rank, world=self.processes.world)

    def _latents(self, batch: MapBatch) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16):
            return self.model.latents(batch.images(self.colours)).float()  # B x D x h x w

    def _forward(self, batch: MapBatch) -> tuple[Painting, dict[str, Tensor], Tensor, Tensor | None]:
        """What came back, the losses of latents, the latents as rows (M x D) and, where quantised, the codes (M)."""
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
        with torch.autocast(self.device.type, torch.bfloat16):
            images = self.model.decode_latents(decoded_from)
        painting = Painting(
            found=images.float(), truth=batch.images(self.colours), ids=batch.ids, colours=self.colours[batch.kinds]
        )
        flat, labels = flat_labels(batch, self.model.config.reduction)
        of_latents = {"commitment": commitment, "flat": flat_spread(rows[flat.flatten()], labels[flat])}
        return painting, of_latents, rows, codes

    def _move_codes(self, shares: list[_Share]) -> int:
        restarting = self.step < self.recipe.restart_share * self.recipe.joint_steps
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.step) if restarting else None
        codes = gather(self.processes, torch.cat([share.codes for share in shares if share.codes is not None]))
        latents = gather(self.processes, torch.cat([share.latents for share in shares]))
        moved = self.running.update(latents, codes, generator=generator)
        self.processes.copy_from_main(self.running)  # sums on GPUs differ by rounding, and codes must not drift apart
        return moved

    def _change_phase(self) -> None:
        if self.step == self.recipe.free_steps and not self.has_codebook:
            self._start_codebook()
        if self.step == self.recipe.joint_steps:
            self._unify()
        if self.step in (self.recipe.free_steps, self.recipe.joint_steps):
            self.processes.copy_from_main(self.running)

    @torch.no_grad()
    def _start_codebook(self) -> None:
        """K-means over the latents of fresh maps."""
        wanted = POINTS_A_CODE * self.model.config.codes
        found = [_rows(self._latents(self._batch(self.step).to(self.device)))]
        for extra in range(1, -(-wanted // len(found[0]))):
            found.append(_rows(self._latents(self._batch(self.step + extra).to(self.device))))
        generator = torch.Generator().manual_seed(self.recipe.seed)
        self.running.start(k_means(torch.cat(found), self.model.config.codes, rounds=5, generator=generator))

    @torch.no_grad()
    def _unify(self) -> None:
        """One code for every flat colour, before the decoder goes on alone."""
        latents, flats, labels = [], [], []
        for index in range(-(-UNIFYING_MAPS // self.recipe.maps)):
            batch = self._batch(self.recipe.steps + index).to(self.device)
            flat, label = flat_labels(batch, self.model.config.reduction)
            latents.append(_rows(self._latents(batch)))
            flats.append(flat.flatten())
            labels.append(label.flatten())
        unify_flat_codes(self.model.quantize, torch.cat(latents), torch.cat(flats), torch.cat(labels))


def _rows(latents: Tensor) -> Tensor:
    """B x D x h x w -> B*h*w x D."""
    return latents.movedim(1, -1).reshape(-1, latents.shape[1])


def _advance(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """One step of what has gradients, which are gone afterwards; Adam leaves alone what has none."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
