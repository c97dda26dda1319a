"""What processes that train one VQ-VAE tell each other at each step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from instructseq_training.parallel import Processes


def average(processes: Processes, tensors: Sequence[Tensor]) -> None:
    """Replace tensors of any shapes by their means over the processes, in one exchange."""
    if processes.world == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= processes.world
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view(tensor.shape))


def gather(processes: Processes, rows: Tensor) -> Tensor:
    """The rows of all processes, of which each gives as many: M x ... -> world*M x ..., in the order of ranks."""
    if processes.world == 1:
        return rows
    found = [torch.empty_like(rows) for _ in range(processes.world)]
    dist.all_gather(found, rows.contiguous())
    return torch.cat(found)
