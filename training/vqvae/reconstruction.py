"""What a decoded map is compared with its truth by: a table of losses, which another joins by a class and an entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from torch import Tensor

from instructseq_model.errors import ConfigError
from instructseq_training.vqvae.objectives import palette_cross_entropy
from instructseq_training.vqvae.perceptual import PerceptualDistance
from instructseq_training.vqvae.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Painting:
    """Maps beside what came back from their codes.

    Attributes:
        found: B x 3 x H x W, float32, about in [-1, 1].
        truth: the same, as painted.
        ids: B x H x W, rows of the palettes.
        colours: B x K x 3, each map's palette in [-1, 1].
    """

    found: Tensor
    truth: Tensor
    ids: Tensor
    colours: Tensor


class ReconstructionLoss(Protocol):
    """One of the losses."""

    @property
    def weight(self) -> float:
        """Of this loss beside L1."""

    def __call__(self, painting: Painting) -> Tensor:
        """A scalar."""


@dataclass(frozen=True, kw_only=True)
class AbsoluteError:
    """L1."""

    weight: float = 1.0

    def __call__(self, painting: Painting) -> Tensor:
        """Mean absolute difference of channels."""
        return (painting.found - painting.truth).abs().mean()


@dataclass(frozen=True, kw_only=True)
class NearestColour:
    """Cross-entropy of the nearest-colour decision.

    Attributes:
        weight: beside L1.
        temperature: in squared colour units of [-1, 1].
    """

    weight: float
    temperature: float

    def __call__(self, painting: Painting) -> Tensor:
        """Mean over pixels."""
        return palette_cross_entropy(painting.found, painting.ids, painting.colours, temperature=self.temperature)


@dataclass(frozen=True, kw_only=True)
class Perceptual:
    """LPIPS.

    Attributes:
        weight: beside L1.
        network: frozen, on the device of the maps.
    """

    weight: float
    network: PerceptualDistance

    def __call__(self, painting: Painting) -> Tensor:
        """Mean over maps."""
        distance: Tensor = self.network(painting.found, painting.truth)
        return distance.mean()


def _perceptual(recipe: Recipe, network: PerceptualDistance | None) -> ReconstructionLoss | None:
    if recipe.perceptual is None:
        return None
    if network is None:
        raise ConfigError("training.perceptual needs the weights of LPIPS; name their file in perceptual.weights")
    return Perceptual(weight=recipe.perceptual.weight, network=network)


LOSSES: Mapping[str, Callable[[Recipe, PerceptualDistance | None], ReconstructionLoss | None]] = MappingProxyType(
    {
        "l1": lambda recipe, network: AbsoluteError(),
        "palette": lambda recipe, network: NearestColour(weight=recipe.palette_weight, temperature=recipe.temperature),
        "perceptual": _perceptual,
    }
)
"""What makes each loss from a recipe, by the name in the log; None where the recipe leaves it out."""


def reconstruction_losses(
    recipe: Recipe, *, network: PerceptualDistance | None = None
) -> dict[str, ReconstructionLoss]:
    """The losses that a recipe asks for, by name.

    Args:
        recipe: how to train.
        network: LPIPS, where the recipe has `perceptual`.

    Raises:
        ConfigError: it has, and there is none.
    """
    made = {name: make(recipe, network) for name, make in LOSSES.items()}
    return {name: loss for name, loss in made.items() if loss is not None}
