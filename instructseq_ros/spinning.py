"""Running a node until somebody asks it to stop, and ending in the order that ROS needs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import rclpy
from rclpy.exceptions import InvalidHandle
from rclpy.executors import Executor
from rclpy.node import Node

from instructseq_ros.handing_executor import HandingExecutor

STOP_SECONDS = 0.2
"""A signal is noticed within this time."""


def spin_until_stopped(node: Node, *, threads: int, stop: Callable[[], None]) -> None:
    """Serve a node until SIGINT, SIGTERM or the end of its context; then end work, executor and node, in this order.

    Args:
        node: the node; it is destroyed at the end.
        threads: of the executor.
        stop: ends the node's own threads.
    """
    executor = HandingExecutor(threads)
    executor.add_node(node)
    with _stop_signals() as asked_to_stop:
        try:
            while rclpy.ok() and not asked_to_stop.is_set():
                spin_once(executor, STOP_SECONDS)
        finally:
            stop()
            executor.shutdown()
            node.destroy_node()


def spin_once(executor: Executor, seconds: float) -> None:
    """Wait for work and hand it out.

    A subscription that one thread destroys while another collects what to wait for ends in `InvalidHandle` (rclpy
    issues 1142 and 1206). Nothing is lost by it: the next round collects anew, without the subscription.

    Args:
        executor: with its nodes.
        seconds: longest wait.
    """
    with suppress(InvalidHandle):
        executor.spin_once(timeout_sec=seconds)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, where this is the thread that Python runs signal handlers in."""
    event = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    previous = {number: signal.signal(number, lambda *_: event.set()) for number in numbers}
    try:
        yield event
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
