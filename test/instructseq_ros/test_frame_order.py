"""Stamps in order, late ones and clocks that start anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from instructseq_ros.frame_order import FrameOrder, Order

SECOND = 10**9


def orders(stamps: list[int], *, most_late: int = SECOND) -> list[Order]:
    order = FrameOrder()
    return [order.admit(stamp, most_late=most_late) for stamp in stamps]


def test_equal_stamps_are_in_order() -> None:
    assert orders([5, 5, 6]) == [Order.NEXT] * 3


def test_a_little_back_is_late_and_far_back_is_a_restart() -> None:
    found = orders([10 * SECOND, 9 * SECOND, 10 * SECOND - 1, 9 * SECOND - 1, 9 * SECOND])
    assert found == [Order.NEXT, Order.LATE, Order.LATE, Order.RESTART, Order.NEXT]


@given(st.lists(st.integers(0, 20 * SECOND)))
def test_between_restarts_what_is_admitted_never_goes_back(stamps: list[int]) -> None:
    newest = None
    for stamp, order in zip(stamps, orders(stamps), strict=True):
        if order is Order.RESTART:
            assert stamp < newest - SECOND
        if order is not Order.LATE:
            assert newest is None or order is Order.RESTART or stamp >= newest
            newest = stamp
