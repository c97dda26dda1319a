"""Ending a perception before it is done: a check between all passes of the model."""

from __future__ import annotations

from collections.abc import Callable

from instructseq_model.errors import StoppedError

ShouldStop = Callable[[], bool]
"""Asked between passes, often; answers at once."""


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
