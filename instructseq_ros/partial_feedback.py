"""The answer under way as feedback of ~/perceive: how often, and as which message."""

from __future__ import annotations

import time
from collections.abc import Callable

from instructseq.action import Perceive
from instructseq_ros.inference import PartialAnswer
from instructseq_ros.messages import image_message, perception_message

MOST_SHARE = 0.1
"""Showing answers under way takes no more of a goal's time than this, once it is known how long one takes."""


class Pace:
    """Does something now and then: at most `rate` times a second, and for at most `MOST_SHARE` of the time.

    The first time is one period after the first call: whoever is done by then pays nothing.

    Args:
        rate: asked for the rate, per second; 0 never.
        clock: seconds.
    """

    def __init__(self, *, rate: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._began: float | None = None
        self._took = 0.0

    def __call__(self, show: Callable[[], None]) -> None:
        """Call `show`, unless it was called too short a time ago."""
        rate, now = self._rate(), self._clock()
        if self._began is None:
            self._began = now
        if rate <= 0 or now - self._began < max(1 / rate, self._took / MOST_SHARE):
            return
        show()
        self._began, self._took = now, self._clock() - now


def partial_feedback(partial: PartialAnswer, *, stage: str, progress: float) -> Perceive.Feedback:
    """Feedback that shows an answer under way.

    Args:
        partial: the answer.
        stage: what is being done.
        progress: the share of the goal that is done, in [0, 1].
    """
    answer = partial.answer
    feedback = Perceive.Feedback(stage=stage, progress=float(progress), partial=[perception_message(answer)])
    if partial.decided is not None:
        feedback.decided = image_message(partial.decided, "mono8", answer.header)
    return feedback
