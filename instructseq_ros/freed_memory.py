"""Memory that was freed, handed back to the system. Nothing here imports ROS."""

from __future__ import annotations

import ctypes


def hand_back_freed_memory() -> None:
    """Have the C library let go of pages that hold nothing any more.

    glibc gives each thread an arena of its own, and an arena keeps what was freed in it. Transitions come on any of the
    executor's threads, so that without this each of them could hold on to the size of a whole model. C libraries
    without `malloc_trim` are left alone.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
