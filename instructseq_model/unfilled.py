"""Modules whose weights are about to be loaded: built without drawing random numbers that nobody will see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Unfilled(TorchFunctionMode):
    """A context in which the weights of new modules are not initialised. Buffers and other constants are.

    The device "meta" would leave out constants too, and PyTorch's compiler is imported where numbers are drawn there.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Called by PyTorch in place of `func`."""
        given = dict(kwargs or {})
        if getattr(func, "__module__", None) == "torch.nn.init":
            return given["tensor"] if "tensor" in given else args[0]
        if func in (Tensor.normal_, Tensor.uniform_):  # whoever draws again until it fits must be content with zeros
            return args[0].zero_()
        if func is torch.randn:
            return torch.zeros(*args, **given)
        return func(*args, **given)
