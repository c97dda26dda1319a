"""Ending a perception before it is done: a check between all passes of the model, and between the layers of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from instructseq_model.decoding.torch_steps import TorchDecoder
from instructseq_model.errors import StoppedError

ShouldStop = Callable[[], bool]
"""Asked between layers, often; answers at once."""


def stoppable(
    progress: Callable[[str, float], None] | None, should_stop: ShouldStop | None
) -> Callable[[str, float], None] | None:
    """Progress that also asks whether to stop; None if there is nobody to tell and nobody to ask.

    Args:
        progress: told stage and share, or None.
        should_stop: asked before `progress` is told, or None.

    Returns:
        A callback that raises `StoppedError`.
    """
    if should_stop is None:
        return progress

    def check(stage: str, share: float) -> None:
        if should_stop():
            raise StoppedError(f"it was stopped while it was at {stage}, {share:.0%} done: ask again for an answer")
        if progress is not None:
            progress(stage, share)

    return check


def stop_points(model: object) -> list[nn.Module]:
    """The layers before which it can be asked whether to stop: all that have a matrix of their own.

    None of a model that runs as graphs: an export, and the part that is compiled.
    """
    if not isinstance(model, nn.Module):
        return []
    is_compiled = not isinstance(getattr(model, "decoder", None), TorchDecoder)
    left_out = set(model.get_submodule("sequence").modules()) if is_compiled else set()
    return [part for part in model.modules() if part not in left_out and _has_matrix(part)]


def _has_matrix(part: nn.Module) -> bool:
    held = (*part.parameters(recurse=False), *part.buffers(recurse=False))
    return next(part.children(), None) is None and any(tensor.ndim > 1 for tensor in held)


@contextmanager
def stopping_at(points: Sequence[nn.Module], should_stop: ShouldStop | None) -> Iterator[None]:
    """Have these layers ask before they run, whatever calls them; those of one pass may take longer than stopping may.

    Args:
        points: of `stop_points`.
        should_stop: asked; None leaves the layers as they are.

    Raises:
        StoppedError: out of the layer that was told to stop.
    """
    if should_stop is None:
        yield
        return

    def ask(layer: nn.Module, arguments: object) -> None:
        if should_stop():
            raise StoppedError("it was stopped in the middle of a pass: ask again for an answer")

    hooks = [layer.register_forward_pre_hook(ask) for layer in points]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
