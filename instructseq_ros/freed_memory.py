"""Memory that was freed, handed back to the system. Nothing here imports ROS."""

from __future__ import annotations

import ctypes

HAND_BACK_SECONDS = 60.0
"""Freed pages go back this often while the node works."""


def hand_back_freed_memory() -> None:
    """Have the C library let go of pages that hold nothing any more.

    glibc gives each thread an arena of its own, and an arena keeps what was freed in it. Transitions come on any of the
    executor's threads, so that without this each of them could hold on to the size of a whole model. At work, pieces of
    many sizes come and go in all threads, and what lies free between those that stay grows for hours. C libraries
    without `malloc_trim` are left alone.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
