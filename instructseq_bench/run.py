"""A run: the chosen sections one after the other, into one report."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from instructseq_bench.rows import Machine, Report, Row
from instructseq_bench.sections import Section, section
from instructseq_bench.setting import Setting
from instructseq_model.errors import InstructSeqError

VERSIONS = ("instructseq", "torch", "transformers", "onnxruntime", "tensorrt")
Say = Callable[[str], None]


def run(
    names: Sequence[str],
    setting: Setting,
    *,
    say: Say = lambda line: None,
    keep: Callable[[Report], None] = lambda report: None,
    find: Callable[[str], Section] = section,
) -> Report:
    """Measure sections.

    A section that cannot be measured here leaves a row that says why, and the others go on.

    Args:
        names: of `SECTIONS`.
        setting: the run's.
        say: told one line a section.
        keep: given the report as far as it is after every section, so that a run that breaks off is not lost.
        find: gives a section's function.
    """
    if setting.threads:
        torch.set_num_threads(setting.threads)
    began, load = time.perf_counter(), _load()
    rows: list[Row] = []
    for name in names:
        start, worked = time.perf_counter(), _processor_time()
        rows += _rows_of(name, setting, find)
        took, worked = time.perf_counter() - start, _processor_time() - worked
        say(f"{name}: {took:.0f} s, {worked:.0f} s of processor time")
        keep(_report(setting, rows, began=began, load=load))
    return _report(setting, rows, began=began, load=load)


def _report(setting: Setting, rows: Sequence[Row], *, began: float, load: float) -> Report:
    return Report(
        preset=setting.preset.name,
        seconds=time.perf_counter() - began,
        machine=_machine(setting, load),
        rows=tuple(rows),
    )


def _rows_of(name: str, setting: Setting, find: Callable[[str], Section]) -> list[Row]:
    rows: list[Row] = []
    try:
        for row in find(name)(setting):
            rows.append(row)  # kept even if a later one fails
    except (InstructSeqError, torch.cuda.OutOfMemoryError) as error:
        words = f"not measured: {' '.join(str(error).split())}"
        rows.append(Row(name=f"{name}/not measured", ours=None, unit="s", notes=words))
    return rows


def _machine(setting: Setting, load: float) -> Machine:
    on_gpu = setting.device.startswith("cuda")
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        threads=torch.get_num_threads(),
        load=(load, _load()),
        device=setting.device,
        device_name=torch.cuda.get_device_name(setting.device) if on_gpu else "",
        versions={name: found for name in VERSIONS if (found := _version(name))}
        | {"python": platform.python_version()},
    )


def _processor_time() -> float:
    """Seconds of all threads, and of processes that were started and have ended."""
    taken = os.times()
    return taken.user + taken.system + taken.children_user + taken.children_system


def _load() -> float:
    return os.getloadavg()[0]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text(encoding="utf-8").splitlines() if cpus.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
