"""The node's executor: each callback handed out once, several at a time, errors told, an end that waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup  # noqa: E402

from instructseq_ros.handing_executor import HandingExecutor  # noqa: E402


@pytest.fixture
def node() -> Iterator[Any]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("spun", context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


def timer(node: Any, seconds: float, callback: Any) -> Any:
    return node.create_timer(seconds, callback, MutuallyExclusiveCallbackGroup())


def spin(executor: HandingExecutor, *, rounds: int) -> None:
    for _ in range(rounds):
        executor.spin_once(timeout_sec=0.05)


def test_a_callback_that_no_thread_begins_is_offered_once(node: Any) -> None:
    gate, offered = threading.Event(), []
    for _ in range(2):
        timer(node, 0.0, lambda: gate.wait(30.0))
    timer(node, 0.05, lambda: None)
    executor = HandingExecutor(2, context=node.context)
    executor.add_node(node)
    wait = executor.wait_for_ready_callbacks

    def counted(**options: Any) -> Any:
        found = wait(**options)
        offered.append(found)
        return found

    executor.wait_for_ready_callbacks = counted
    spin(executor, rounds=10)
    assert 3 <= len(offered) <= 5  # the two that take all threads, seldom one of them again, and one that waits
    gate.set()
    spin(executor, rounds=10)
    assert len(offered) > 3
    executor.shutdown()


def test_a_callback_that_is_offered_again_before_rclpy_sees_it_run_runs_once(node: Any) -> None:
    entered, gate = threading.Event(), threading.Event()
    began: list[bool] = []

    class Handler:
        """A task that looks as if it did not run."""

        def __call__(self) -> None:
            began.append(True)
            entered.set()
            assert gate.wait(20.0)

        def done(self) -> bool:
            return gate.is_set()

        def exception(self) -> Exception:
            return ValueError("on purpose")

    handler = Handler()
    executor = HandingExecutor(2, context=node.context)
    executor.wait_for_ready_callbacks = lambda **options: (handler, None, None)  # type: ignore[method-assign]
    executor.spin_once(timeout_sec=5.0)
    assert entered.wait(20.0)
    spin(executor, rounds=3)
    gate.set()
    with pytest.raises(ValueError, match="on purpose"):
        spin(executor, rounds=1000)
    spin(executor, rounds=20)
    executor.shutdown()
    assert began == [True]


def test_callbacks_of_different_groups_run_at_once(node: Any) -> None:
    together = threading.Barrier(3)
    met: list[int] = []

    def meet() -> None:
        met.append(together.wait(20.0))

    timers = [timer(node, 0.01, meet) for _ in range(3)]
    executor = HandingExecutor(3, context=node.context)
    executor.add_node(node)
    end = time.monotonic() + 20.0
    while len(met) < 3 and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
    together.abort()
    for one in timers:
        one.cancel()
    executor.shutdown()
    assert set(met[:3]) == {0, 1, 2}


def test_what_a_callback_raises_comes_out_of_the_spinning_once(node: Any) -> None:
    def fail() -> None:
        failing.cancel()
        raise ValueError("on purpose")

    failing = timer(node, 0.01, fail)
    executor = HandingExecutor(2, context=node.context)
    executor.add_node(node)
    with pytest.raises(ValueError, match="on purpose"):
        spin(executor, rounds=100)
    spin(executor, rounds=3)
    executor.shutdown()


def test_shutdown_waits_for_what_runs(node: Any) -> None:
    entered, ended = threading.Event(), threading.Event()

    def work() -> None:
        entered.set()
        time.sleep(0.2)
        ended.set()

    timer(node, 0.01, work)
    executor = HandingExecutor(2, context=node.context)
    executor.add_node(node)
    while not entered.is_set():
        executor.spin_once(timeout_sec=0.05)
    executor.shutdown()
    assert ended.is_set()
