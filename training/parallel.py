"""Processes that train one model together, under torchrun: who they are, and what they exchange.

Gradients go over NCCL between GPUs and over gloo between CPUs. Small numbers (counts, losses, the clock) always go over
gloo, from the CPU, so that they never make a GPU wait.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from instructseq_model.errors import ConfigError
from instructseq_training.blocks import blocks_of

PATIENCE = timedelta(hours=2)
"""How long processes wait for one that evaluates or prepares features."""


@dataclass(frozen=True, kw_only=True)
class Processes:
    """This process among those that train together.

    Attributes:
        mode: "none", "ddp" or "fsdp2".
        rank: of this process, from 0.
        world: how many there are.
        device: that this process trains on.
    """

    mode: str = "none"
    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def main(self) -> bool:
        """Whether this is the process that writes files and talks."""
        return self.rank == 0

    def sum(self, values: Mapping[str, float]) -> dict[str, float]:
        """Each value summed over the processes, all of which give the same names in the same order."""
        if self.world == 1:
            return dict(values)
        held = torch.tensor(list(values.values()), dtype=torch.float64)
        dist.all_reduce(held)
        return dict(zip(values, held.tolist(), strict=True))

    def from_main(self, value: float) -> float:
        """The main process's value; what depends on a clock must not differ between processes."""
        return self.sum({"value": value if self.main else 0.0})["value"]

    def wait(self) -> None:
        """Until every process is here."""
        self.from_main(0.0)

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Let the main process do something before the others do, so that they find its files there."""
        if not self.main:
            self.wait()
        yield
        if self.main:
            self.wait()

    def share(self, count: int) -> range:
        """The part of `count` things that is this process's: consecutive, sizes differ by one at most."""
        return piece(range(count), self.world, self.rank)

    def copy_from_main(self, model: nn.Module) -> None:
        """Give every process the main one's weights."""
        if self.world > 1:
            for value in model.state_dict().values():
                dist.broadcast(value, 0)

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module to call in training: gradients of its backward pass are averaged over the processes.

        In "fsdp2" the module itself is changed: its parameters become shards.
        """
        if self.mode == "ddp" and self.world > 1:
            # Which weights a step uses depends on its kinds of outputs.
            return DistributedDataParallel(module, broadcast_buffers=False, find_unused_parameters=True)
        if self.mode == "fsdp2":
            self._shard(module)
        return module

    def _shard(self, module: nn.Module) -> None:
        mesh = init_device_mesh(self.device.type, (self.world,))
        for block in blocks_of(module):
            fully_shard(block, mesh=mesh)
        fully_shard(module, mesh=mesh, ignored_params=set(scalars(module)))
        if self.device.type == "cpu":  # gloo sums, but does not average
            for part in module.modules():
                if isinstance(part, FSDPModule):
                    part.set_force_sum_reduction_for_comms(True)

    def accumulating(self, module: nn.Module, *, last: bool) -> AbstractContextManager[None]:
        """Around forward and backward of one part of a step: gradients need to be exchanged after the last only."""
        if isinstance(module, DistributedDataParallel) and not last:
            held: AbstractContextManager[None] = module.no_sync()
            return held
        return nullcontext()

    def finish_gradients(self, module: nn.Module) -> None:
        """Average the gradients that `wrap` leaves to each process: those of single numbers, which have no shards."""
        if self.mode != "fsdp2" or self.world == 1:
            return
        for parameter in scalars(module):
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad)
                parameter.grad /= self.world


def join(mode: str, *, device: torch.device | None = None) -> Processes:
    """Take this process's place among those that torchrun started; alone where it was not started by torchrun.

    Args:
        mode: "none", "ddp" or "fsdp2".
        device: None takes the GPU of the process's local rank, or the CPU where there is none.

    Raises:
        ConfigError: several processes, and a mode for one.
    """
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if device is None:
        local = int(os.environ.get("LOCAL_RANK", "0"))
        device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if mode == "none":
        if world > 1:
            raise ConfigError(
                f"torchrun started {world} processes, but execution.parallel is none; set it to ddp or fsdp2"
            )
        return Processes(device=device)
    if not dist.is_initialized() and (world > 1 or mode == "fsdp2"):
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        store = None if "MASTER_ADDR" in os.environ else dist.HashStore()
        dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=PATIENCE)
    return Processes(mode=mode, rank=rank, world=world, device=device)


def leave() -> None:
    """The end of what `join` began."""
    if dist.is_initialized():
        dist.destroy_process_group()


def piece(whole: range, pieces: int, index: int) -> range:
    """One of so many consecutive pieces of a range, sizes differing by one at most."""
    start, stop = (len(whole) * place // pieces for place in (index, index + 1))
    return whole[start:stop]


def scalars(module: nn.Module) -> list[nn.Parameter]:
    """Parameters of one number without dimensions, which cannot be divided into shards."""
    return [parameter for parameter in module.parameters() if parameter.ndim == 0]


def local(tensor: Tensor) -> Tensor:
    """This process's part of a tensor in shards; any other tensor as it is."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def full(tensor: Tensor) -> Tensor:
    """A tensor in shards put together, by all processes at once; any other tensor as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def sharded_like(value: Tensor, example: Tensor) -> Tensor:
    """A whole tensor laid out as another one is: in the same shards, or whole; on its device."""
    if not isinstance(example, DTensor):
        return value.to(example.device)
    return distribute_tensor(value.to(example.device), example.device_mesh, example.placements)


def clip_gradients(module: nn.Module, limit: float) -> Tensor:
    """Scale gradients down to a norm of at most `limit`; returns the norm before, the same on every process."""
    grads = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    if not any(isinstance(grad, DTensor) for grad in grads):
        return torch.nn.utils.clip_grad_norm_(module.parameters(), limit)
    sharded: list[Tensor] = [grad for grad in grads if isinstance(grad, DTensor)]
    plain: list[Tensor] = [grad for grad in grads if not isinstance(grad, DTensor)]
    norms = [full(torch.nn.utils.get_total_norm(group)) for group in (sharded, plain) if group]
    total = torch.stack(norms).norm()
    scale = (limit / (total + 1e-6)).clamp(max=1.0)
    for grad in grads:
        local(grad).mul_(scale)
    return total
