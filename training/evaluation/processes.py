"""Evaluation by several processes, as torchrun starts them: each asks the model about its own images."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from instructseq_training.evaluation.cases import Case

PATIENCE = timedelta(hours=12)
"""How long a process waits for the slowest; torchrun ends all of them as soon as one fails."""


@dataclass(frozen=True, kw_only=True)
class Team:
    """The processes that share one evaluation.

    Attributes:
        rank: this process's number, from 0.
        size: how many there are.
        local_rank: this process's number on its machine, which chooses its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def share(self, cases: Iterable[Case]) -> Iterator[tuple[int, Case]]:
        """This process's cases with their numbers among all; cases of one image stay together, for its cache."""
        images: dict[str, int] = {}
        for number, case in enumerate(cases):
            image = images.setdefault(case.image_key, len(images))
            if image % self.size == self.rank:
                yield number, case

    def gather(self, rows: list[Any]) -> list[Any]:
        """The rows of all processes, in the order of ranks; every process gets them all.

        Args:
            rows: plain JSON values. Numbers arrive exactly as they were sent.
        """
        if self.size == 1:
            return rows
        sent = torch.frombuffer(bytearray(json.dumps(rows).encode()), dtype=torch.uint8)
        length = torch.tensor([len(sent)])
        lengths = [torch.zeros_like(length) for _ in range(self.size)]
        dist.all_gather(lengths, length)
        longest = int(max(lengths))
        padded = torch.zeros(longest, dtype=torch.uint8)
        padded[: len(sent)] = sent
        received = [torch.zeros_like(padded) for _ in range(self.size)]
        dist.all_gather(received, padded)
        texts = (row[: int(n)].numpy().tobytes() for row, n in zip(received, lengths, strict=True))
        return [row for text in texts for row in json.loads(text)]


def join_team() -> Team:
    """The team that torchrun's environment describes; a team of one without it.

    Gloo carries the rows, whatever device the models are on: they are small, and live on the CPU.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Team()
    if not dist.is_initialized():
        dist.init_process_group("gloo", timeout=PATIENCE)
    return Team(rank=dist.get_rank(), size=dist.get_world_size(), local_rank=int(os.environ.get("LOCAL_RANK", "0")))


def leave_team(team: Team) -> None:
    """Wait for the others and part from them."""
    if team.size > 1 and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
