"""Where time goes: a profile of a piece of work in one line."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

TOLD = 4
"""The operators that take most are told."""


def where_time_goes(work: Callable[[], object], device: str) -> str:
    """The operators that take most of the time, and the time outside of all: the interpreter's.

    The profiler itself takes time, so shares of the interpreter are rather too high.

    Args:
        work: done twice, the second time under the profiler.
        device: cpu, cuda or cuda:N.
    """
    work()
    on_gpu = device.startswith("cuda")
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as profiled:
        began = time.perf_counter()  # the profiler's own start takes a second
        work()
        if on_gpu:
            torch.cuda.synchronize(device)
        took = 1e6 * (time.perf_counter() - began)  # microseconds
    taken = {
        event.key: float(event.self_device_time_total if on_gpu else event.self_cpu_time_total)
        for event in profiled.key_averages()
    }
    return shares(taken, took, rest="waiting" if on_gpu else "outside operators (Python)")


def shares(taken: dict[str, float], whole: float, *, rest: str) -> str:
    """The largest parts of a whole in percent, and what none of the parts holds.

    Args:
        taken: by name, in the unit of `whole`.
        whole: more than 0.
        rest: name of what is left over.
    """
    largest = sorted(taken.items(), key=lambda pair: pair[1], reverse=True)[:TOLD]
    parts = [f"{name.removeprefix('aten::')} {100 * value / whole:.0f} %" for name, value in largest]
    left = max(0.0, whole - sum(taken.values()))
    return ", ".join([*parts, f"{rest} {100 * left / whole:.0f} %"])
