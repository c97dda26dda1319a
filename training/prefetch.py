"""Drawing the next steps' batches in a thread while the device works on this one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from instructseq_training.batch import Batch, Batches
from instructseq_training.config import BatchConfig


class Prefetch:
    """Gives the parts of a step, and draws those of later steps ahead.

    What a step holds depends on the step and its configuration alone, so drawing ahead changes nothing but the time.

    Args:
        batches: draws them.
        ahead: how many steps; 0 draws each when it is asked for, without a thread.
    """

    def __init__(self, batches: Batches, *, ahead: int) -> None:
        self.batches, self.ahead = batches, ahead
        self._pool = ThreadPoolExecutor(1, "batches") if ahead else None
        self._due: OrderedDict[tuple[int, int], Future[list[Batch]]] = OrderedDict()

    def parts(self, step: int, config: BatchConfig, places: Sequence[range]) -> list[Batch]:
        """The parts of a step, as `Batches.parts` gives them; later steps are expected to be of the same form."""
        if self._pool is None:
            return self.batches.parts(step, config, places)
        wanted = [(number, id(config)) for number in range(step, step + self.ahead + 1)]
        for key in [key for key in self._due if key not in wanted]:
            self._due.pop(key).cancel()
        for key in wanted:
            if key not in self._due:
                self._due[key] = self._pool.submit(self.batches.parts, key[0], config, places)
        return self._due.pop(wanted[0]).result()

    def close(self) -> None:
        """Stop drawing."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
