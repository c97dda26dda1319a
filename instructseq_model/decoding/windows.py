"""How many tokens a pass should check: measured where it runs, on the very work it is for.

A wide window settles more tokens a pass, and costs more a pass; which pays depends on device, batch and draft. So each
candidate is used in turn for the first maps, and from then on the fastest.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Sequence

CANDIDATES = (16, 32, 64, 128)
KEYS_HELD = 64
TRIALS = 2
REMEMBERED = 5
HOPELESS = 1.5
"""A window that took so many times as long as the fastest at its first trial gets no second one."""


class WindowChooser:
    """Remembers how long maps took with each window; bounded in memory.

    Args:
        candidates: windows to choose from.
    """

    def __init__(self, candidates: Sequence[int] = CANDIDATES) -> None:
        self._candidates = tuple(candidates)
        self._seconds: OrderedDict[Hashable, dict[int, deque[float]]] = OrderedDict()

    def choose(self, key: Hashable) -> int:
        """The window to use next for work of the kind `key`: one that needs a trial, else the fastest."""
        seconds = self._held(key)
        best = {window: min(taken) for window, taken in seconds.items() if taken}
        for window in self._candidates:
            if not seconds[window]:
                return window
        fastest = min(best, key=lambda window: best[window])
        for window in self._candidates:
            if len(seconds[window]) < TRIALS and best[window] < HOPELESS * best[fastest]:
                return window
        return fastest

    def record(self, key: Hashable, window: int, seconds: float) -> None:
        """Say how long a piece of work of the kind `key` took with a window."""
        held = self._held(key)
        if window in held:
            held[window].append(seconds)

    def _held(self, key: Hashable) -> dict[int, deque[float]]:
        if key not in self._seconds:
            self._seconds[key] = {window: deque(maxlen=REMEMBERED) for window in self._candidates}
        self._seconds.move_to_end(key)
        while len(self._seconds) > KEYS_HELD:
            self._seconds.popitem(last=False)
        return self._seconds[key]
