"""The running average of the weights, which is what is shipped: whole on every process, or spread over them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from instructseq_training.parallel import Processes, full, local, sharded_like


class WeightAverage:
    """An exponential moving average of a model's weights; it starts as the weights are.

    Args:
        model: after `Processes.wrap`.
        layout: "whole" or "shards". Weights that are in shards themselves are then averaged where they lie, others in
            equal pieces, one a process.
        processes: that train together.

    Attributes:
        held: what this process holds, by name: whole tensors, tensors in shards, or flat pieces.
    """

    def __init__(self, model: nn.Module, *, layout: str = "whole", processes: Processes | None = None) -> None:
        self.layout, self.processes = layout, processes or Processes()
        state = model.state_dict()
        self.shapes = {name: value.shape for name, value in state.items()}
        self.held = {name: self._part(value).clone() for name, value in state.items()}

    @torch.no_grad()
    def update(self, model: nn.Module, decay: float) -> None:
        """Move towards the model's weights: held = decay * held + (1 - decay) * weights."""
        for name, value in model.state_dict().items():
            local(self.held[name]).lerp_(local(self._part(value)), 1 - decay)

    @torch.no_grad()
    def whole(self) -> dict[str, Tensor]:
        """The average put together, by all processes at once."""
        return {name: self._joined(name, value) for name, value in self.held.items()}

    @torch.no_grad()
    def take(self, whole: Mapping[str, Tensor]) -> None:
        """Go on from an average that was put together, by any number of processes and in any layout."""
        for name, value in self.held.items():
            given = whole[name]
            part = sharded_like(given, value) if isinstance(value, DTensor) else self._part(given.to(value.device))
            local(value).copy_(local(part))

    def _part(self, value: Tensor) -> Tensor:
        """What this process holds of a weight."""
        value = value.detach()
        if self.layout == "whole":
            return full(value)
        if isinstance(value, DTensor) or self.processes.world == 1:
            return value
        size = -(-value.numel() // self.processes.world)
        return value.flatten()[self.processes.rank * size : (self.processes.rank + 1) * size]

    def _joined(self, name: str, value: Tensor) -> Tensor:
        if isinstance(value, DTensor):
            return full(value)
        if self.layout == "whole" or self.processes.world == 1:
            return value
        shape = self.shapes[name]
        size = -(-shape.numel() // self.processes.world)
        own = value.new_zeros(size)
        own[: len(value)] = value
        pieces = [torch.empty_like(own) for _ in range(self.processes.world)]
        dist.all_gather(pieces, own)
        return torch.cat(pieces)[: shape.numel()].view(shape)
