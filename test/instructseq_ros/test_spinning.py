import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2: run scripts/setup.sh")

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup  # noqa: E402
from rclpy.exceptions import InvalidHandle  # noqa: E402
from rclpy.executors import MultiThreadedExecutor  # noqa: E402
from rclpy.waitable import NumberOfEntities, Waitable  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from instructseq_ros.spinning import spin_once  # noqa: E402


@pytest.fixture
def node() -> Iterator[Any]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("spun", context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


class GoneMeanwhile(Waitable):
    """Stands for a subscription that is destroyed after it was collected and before it is waited for."""

    def __init__(self, subscription: Any) -> None:
        super().__init__(MutuallyExclusiveCallbackGroup())
        self.subscription, self.asked = subscription, 0

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...

    def add_to_wait_set(self, wait_set: Any) -> None:
        self.asked += 1
        if self.asked == 1:
            with self.subscription.handle:
                pass

    def get_num_entities(self) -> Any:
        return NumberOfEntities()

    def is_ready(self, wait_set: Any) -> bool:
        return False

    def take_data(self) -> None: ...

    async def execute(self, taken_data: None) -> None: ...


def test_what_is_destroyed_meanwhile_does_not_end_the_spinning(node: Any) -> None:
    gone = node.create_subscription(String, "gone", print, 1)
    node.destroy_subscription(gone)
    waitable = GoneMeanwhile(gone)
    node.add_waitable(waitable)
    heard: list[Any] = []
    node.create_timer(0.01, lambda: heard.append(1))
    executor = MultiThreadedExecutor(2, context=node.context)
    executor.add_node(node)
    with pytest.raises(InvalidHandle):
        executor.spin_once(timeout_sec=0.1)
    waitable.asked = 0
    while len(heard) < 3:
        spin_once(executor, 0.1)
    assert waitable.asked > 1
    executor.shutdown()


def test_subscriptions_may_come_and_go_from_another_thread(node: Any) -> None:
    executor = MultiThreadedExecutor(4, context=node.context)
    executor.add_node(node)
    done, failures = threading.Event(), []

    def spin() -> None:
        try:
            while not done.is_set():
                spin_once(executor, 0.01)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=spin)
    thread.start()
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        node.destroy_subscription(
            node.create_subscription(String, "coming", print, 1, callback_group=MutuallyExclusiveCallbackGroup())
        )
    done.set()
    thread.join()
    executor.shutdown()
    assert failures == []
