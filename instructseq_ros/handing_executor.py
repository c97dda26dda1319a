"""An executor that hands each callback to a thread once, and sleeps until that thread has begun it."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rclpy.executors import (
    ConditionReachedException,
    Executor,
    ExternalShutdownException,
    ShutdownException,
    TimeoutException,
)


class HandingExecutor(Executor):
    """Runs callbacks in threads; it is spun by `spin_once`.

    rclpy's `MultiThreadedExecutor` offers a callback again and again until a thread has begun it. Beside a model that
    keeps all cores busy no thread begins soon, and the loop takes a core and the interpreter's lock from the model:
    2,500 offers a second of some ten callbacks were counted, and 80 ms of an answer's 290.

    Args:
        threads: callbacks that can run at once.
        context: of rclpy; None takes the default one.
    """

    def __init__(self, threads: int, *, context: Any = None) -> None:
        super().__init__(context=context)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="instructseq-callback")
        self._begun = threading.Event()
        self._begun.set()
        self._handed: set[Any] = set()
        self._failures: deque[BaseException] = deque()

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Wait for one callback that is ready, and until a thread has begun it.

        Args:
            timeout_sec: longest wait for either, in seconds; None for ever.

        Raises:
            Exception: what a callback raised, once.
        """
        if self._begun.wait(timeout_sec):
            try:
                handler, _, _ = self.wait_for_ready_callbacks(timeout_sec=timeout_sec)
            except (TimeoutException, ShutdownException, ExternalShutdownException, ConditionReachedException):
                pass
            else:
                self._hand(handler, timeout_sec)
        if self._failures:
            raise self._failures.popleft()

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Take no more callbacks, and wait until those that run have ended.

        Args:
            timeout_sec: of rclpy's own part, in seconds; None for as long as it takes.

        Returns:
            Whether that part came to its end.
        """
        ended = bool(super().shutdown(timeout_sec))
        self._pool.shutdown(cancel_futures=True)
        return ended

    def _hand(self, handler: Any, timeout_sec: float | None) -> None:
        if handler in self._handed:  # a thread has begun it, which rclpy does not see before its next step
            time.sleep(0.001)
            return
        self._handed.add(handler)
        self._begun.clear()
        self._pool.submit(self._run, handler)
        self._begun.wait(timeout_sec)

    def _run(self, handler: Any) -> None:
        self._begun.set()
        if not handler.done():
            handler()
            if handler.done() and handler.exception() is not None:
                self._failures.append(handler.exception())
        self._handed.discard(handler)
