"""How a VQ-VAE is trained, as numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from instructseq_model.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class PerceptualConfig:
    """LPIPS beside the other losses.

    Args:
        weight: beside L1.
        weights: .safetensors file, relative to the recipe; None for perceptual.safetensors beside the start's weights.
    """

    weight: float = 1.0
    weights: str | None = None

    def __post_init__(self) -> None:
        if self.weight <= 0.0:
            raise ConfigError(
                f"training: perceptual.weight must be above 0, got {self.weight}; or leave perceptual out"
            )


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig:
    """A discriminator beside the other losses; the defaults are those of latent diffusion's vq-f16.

    Args:
        weight: of the adversarial gradient at the decoder's last layer, as a share of the reconstruction's.
        start_step: before it there is no discriminator.
        channels: width of its first layer.
        layers: of it that halve the side.
        weights: .safetensors file, relative to the recipe; None for discriminator.safetensors beside the start's
            weights; "chance" for one that has learned nothing yet.
    """

    weight: float = 0.75
    start_step: int = 0
    channels: int = 64
    layers: int = 2
    weights: str | None = None

    def __post_init__(self) -> None:
        if self.weight <= 0.0 or self.start_step < 0 or self.channels < 1 or self.layers < 1:
            raise ConfigError(
                "training: adversarial needs weight above 0, start_step of at least 0, channels and layers of at least "
                f"1, got {self}; or leave adversarial out"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a VQ-VAE is trained: freely, then through the codebook, then the decoder alone.

    Args:
        steps: optimiser steps in all.
        free_steps: the first of them, without quantisation; k-means over the latents then gives the codebook. 0 where
            a run starts from weights, which bring a codebook.
        decoder_steps: the last of them. Before them every flat colour gets one code (`unify_flat_codes`), and from then
            on encoder and codebook stay as they are, so that a transformer may already be trained on the codes.
        maps: whole maps a step.
        crop: side of the crops each map is cut into, pixels; the decoder's own steps see whole maps.
        referring_share: part of the maps that are referring maps.
        learning_rate: after warm-up; falls to zero along a cosine, once before and once within the decoder's steps.
        warmup: steps.
        palette_weight: of the palette cross-entropy beside L1.
        temperature: of the palette cross-entropy, in squared colour units of [-1, 1].
        commitment: weight of the squared distance of a latent to its code, as a share of the latents' variance.
        flat_weight: weight of `flat_spread`.
        perceptual: LPIPS; None leaves it out.
        adversarial: a discriminator; None leaves it out.
        decay: of the codebook's running means.
        least_use: under this running use a code is given a new place.
        restart_share: part of the joint steps in which codes are given new places; afterwards only means move.
        workers: threads of each process, each with its part of a step's crops. On CPUs, with one PyTorch thread each
            (OMP_NUM_THREADS=1), they meet once a step, not once an operation: on a busy machine many times faster than
            PyTorch's own threads. 1 on GPUs.
        seed: of weights, data and everything else.
        save_every: steps between snapshots.
    """

    steps: int = 4000
    free_steps: int = 800
    decoder_steps: int = 0
    maps: int = 8
    crop: int = 64
    referring_share: float = 0.4
    learning_rate: float = 1e-3
    warmup: int = 50
    palette_weight: float = 0.5
    temperature: float = 0.1
    commitment: float = 0.25
    flat_weight: float = 1.0
    perceptual: PerceptualConfig | None = None
    adversarial: AdversarialConfig | None = None
    decay: float = 0.99
    least_use: float = 0.02
    restart_share: float = 0.7
    workers: int = 2
    seed: int = 0
    save_every: int = 200

    def __post_init__(self) -> None:
        if not 0 <= self.free_steps < self.joint_steps <= self.steps:
            raise ConfigError(
                "training: free_steps and decoder_steps must leave at least one step between them, "
                f"got {self.free_steps} and {self.decoder_steps} of {self.steps}"
            )
        if not 1 <= self.workers <= self.maps:
            raise ConfigError(f"training: workers must be 1 to maps, got {self.workers} and {self.maps}")
        if not 0.0 <= self.referring_share <= 1.0:
            raise ConfigError(f"training: referring_share must be in [0, 1], got {self.referring_share}")
        if self.adversarial is not None and self.crop >> self.adversarial.layers < 3:
            raise ConfigError(
                f"training: crop {self.crop} is too small for a discriminator of {self.adversarial.layers} layers: "
                f"take {3 << self.adversarial.layers} or more, or fewer layers"
            )
        if self.temperature <= 0.0 or self.learning_rate <= 0.0:
            raise ConfigError("training: temperature and learning_rate must be above 0")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Recipe:
        """The recipe a YAML mapping describes.

        Raises:
            ConfigError: an unknown key, or a value outside its range.
        """
        parts: dict[str, type] = {"perceptual": PerceptualConfig, "adversarial": AdversarialConfig}
        held: dict[str, Any] = {
            name: _from_mapping(kind, values[name], origin=f"training: {name}")
            for name, kind in parts.items()
            if values.get(name) is not None
        }
        return _from_mapping(cls, {**values, **held}, origin="training")

    @property
    def joint_steps(self) -> int:
        """Steps in which encoder, codebook and decoder learn together."""
        return self.steps - self.decoder_steps

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        into, length = step, self.joint_steps
        if step >= self.joint_steps:
            into, length = step - self.joint_steps, self.decoder_steps
        warm = min(1.0, (into + 1) / max(1, self.warmup))
        return self.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * into / length))


def _from_mapping(kind: type[T], values: Mapping[str, Any], *, origin: str) -> T:
    known = sorted(field.name for field in fields(kind))  # type: ignore[arg-type]
    if not isinstance(values, Mapping):
        raise ConfigError(f"{origin}: must be a mapping with some of {known}, got {values!r}")
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{origin}: unknown keys {unknown}; known are {known}")
    return kind(**values)
