"""Whether a configuration and its weights are of one size, found out before memory is taken for either."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from instructseq_model.errors import CheckpointError
from instructseq_model.model_config import ModelConfig
from instructseq_model.unfilled import Unfilled

MOST_LAYERS = 1000
"""Of any part: modules are built one after the other, so that their number costs time even without memory."""


def check_layers(config: ModelConfig) -> None:
    """Refuse a model with more layers than anybody builds.

    Raises:
        CheckpointError: a part has more than `MOST_LAYERS`.
    """
    counts = {
        "transformer.layers": config.transformer.layers,
        "vqvae.blocks": config.vqvae.blocks,
        "vqvae.multipliers": len(config.vqvae.multipliers),
        "grounding.refiner_layers": config.grounding.refiner_layers if config.grounding is not None else 0,
    }
    for name, count in counts.items():
        if count > MOST_LAYERS:
            raise CheckpointError(
                f"{name} is {count}, and at most {MOST_LAYERS} are built: the configuration is damaged"
            )


class _ShapesOnly(Unfilled):
    """`Unfilled` for the device "meta", where scaling imports PyTorch's compiler too: there it is left out."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Called by PyTorch in place of `func`."""
        if func in (Tensor.mul, Tensor.__rmul__, Tensor.div_, Tensor.mul_) and not isinstance(args[1], Tensor):
            return args[0]
        return super().__torch_function__(func, types, args, kwargs)


def check_shapes(build: Callable[[], nn.Module], weights: Mapping[str, Tensor], *, part: str) -> None:
    """Refuse weights that do not fit the module that the configuration asks for.

    Args:
        build: makes the module; called where tensors have shapes and no memory.
        weights: its state dict, as read.
        part: its name, for the message.

    Raises:
        CheckpointError: they do not fit; the message names the first tensors that differ.
    """
    try:
        with torch.device("meta"), _ShapesOnly():
            declared = {name: tuple(value.shape) for name, value in build().state_dict().items()}
    except (RuntimeError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise CheckpointError(f"{part} cannot be built as it is configured: {error!s:.300}") from error
    found = {name: tuple(value.shape) for name, value in weights.items()}
    wrong = [name for name in {**declared, **found} if declared.get(name) != found.get(name)]
    if wrong:
        differences = "; ".join(
            f"{name}: {declared.get(name, 'none')} configured, {found.get(name, 'none')} there" for name in wrong[:3]
        )
        raise CheckpointError(
            f"{len(wrong)} tensors of {part} are of another size than configured ({differences:.500})"
        )
