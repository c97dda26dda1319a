"""What the exported model asks of whatever runs its graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor


class Session(Protocol):
    """One graph, loaded. Tensors are contiguous, on the session's device, and of the types in the manifest."""

    @property
    def device(self) -> torch.device:
        """Where inputs must lie and outputs come to lie."""
        ...

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Outputs by name, in memory of their own."""
        ...

    def bind(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> Callable[[], None]:
        """Fix where inputs are read and outputs written.

        A tensor that is both (a cache) is updated in place.

        Returns:
            Called again and again, it reads what the inputs hold at that time. It keeps the tensors alive.
        """
        ...


class Sessions(Protocol):
    """The graphs of an export by name, each loaded when it is first asked for or before."""

    @property
    def device(self) -> torch.device:
        """Of all its sessions."""
        ...

    def __getitem__(self, graph: str) -> Session:
        """The session of a graph."""
        ...
