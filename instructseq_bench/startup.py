"""Start-up of a fresh process, and the memory that it takes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from instructseq_bench.aims import judged
from instructseq_bench.backends import backend_folders
from instructseq_bench.measuring import interleave
from instructseq_bench.profiles import shares
from instructseq_bench.rows import Row, measured_row
from instructseq_bench.setting import Setting
from instructseq_model.errors import InstructSeqError

READY = "ready"
IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([^.\s]+)")
"""A line of `python -X importtime`: microseconds of the module itself, of all it imports, and its name."""

Told = dict[str, dict[str, float]]
"""By stage: seconds since the start, and what the process said of itself."""


def measure_startup(setting: Setting) -> Iterator[Row]:
    """Rows of start-up time and memory."""
    folders = backend_folders(setting)
    told: dict[str, list[Told]] = defaultdict(list)

    def start(name: str, folder: Path, number: int) -> float:
        told[name].append(fresh_process(name, folder, setting))
        return told[name][-1][READY]["seconds"]

    for name, folder in folders.items():
        fresh_process(name, folder, setting, samples=())  # writes bytecode, and brings files into memory
    candidates = {name: partial(start, name, folder) for name, folder in folders.items()}
    budget = setting.budget(10, most=setting.preset.starts)
    series = interleave(candidates, budget, warm_ups=0)
    for name in folders:
        ready = told[name][len(told[name]) // 2][READY]
        notes = (
            f"a process until the model is loaded: imports {ready['import_s']:.1f} s, loading {ready['load_s']:.1f} s"
        )
        yield measured_row(f"startup/{name}/ready", "s", series[name], notes=notes)
        first = str(setting.preset.task_samples[0])
        seconds = [run[first]["seconds"] for run in told[name]]
        notes = f"a process until its first answer, a semantic map of {first} samples at 640x480"
        row = measured_row(f"startup/{name}/first map", "s", seconds, notes=notes)
        yield judged(row, device=setting.device, why=partial(_imports, name, folders[name], setting))
        yield from _memory_rows(name, told[name])


def _memory_rows(name: str, runs: list[Told]) -> Iterator[Row]:
    for stage in runs[0]:
        where = f"startup/{name}/memory {'loaded' if stage == READY else f'N={stage}'}"
        yield measured_row(where, "MiB", [run[stage]["mib"] for run in runs], notes="peak of the process")
        if "device_mib" in runs[0][stage]:
            yield measured_row(f"{where} on the device", "MiB", [run[stage]["device_mib"] for run in runs])


def _imports(name: str, folder: Path, setting: Setting) -> str:
    """Which packages' modules take longest to import, told by Python itself in one more process."""
    fresh_process(name, folder, setting, samples=(), options=("-X", "importtime"))
    taken = import_seconds(_log(setting, name).read_text(encoding="utf-8", errors="replace").splitlines())
    return f"imports: {shares(taken, sum(taken.values()), rest='others')}, of {sum(taken.values()):.1f} s"


def import_seconds(lines: Iterable[str]) -> dict[str, float]:
    """Seconds that the modules of each package took themselves, from what `python -X importtime` writes."""
    seconds: dict[str, float] = defaultdict(float)
    for line in lines:
        found = IMPORT.match(line)
        if found:
            seconds[found[2]] += int(found[1]) / 1e6
    return dict(seconds)


def _log(setting: Setting, backend: str) -> Path:
    return setting.out / f"fresh-{backend}.log"


def fresh_process(
    backend: str, folder: Path, setting: Setting, *, samples: Sequence[int] | None = None, options: Sequence[str] = ()
) -> Told:
    """Start one and listen to it to its end.

    Args:
        backend: of `BACKENDS`.
        folder: that it loads.
        setting: the run's.
        samples: of the maps that it draws; None for the preset's.
        options: of Python.

    Raises:
        InstructSeqError: it failed.
    """
    command = [sys.executable, *options, "-m", "instructseq_bench.fresh_process", backend, str(folder), setting.device]
    counts = setting.preset.task_samples if samples is None else samples
    command += [str(setting.threads or 0), *(str(count) for count in counts)]
    log = _log(setting, backend)
    log.parent.mkdir(parents=True, exist_ok=True)
    told: Told = {}
    began = time.perf_counter()
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=_environment(log.parent)
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            values = json.loads(line)
            told[values.pop("stage")] = {"seconds": time.perf_counter() - began, **values}
    if process.returncode or READY not in told:
        raise InstructSeqError(f"a fresh process with {backend} failed: see {log}")
    return told


def _environment(folder: Path) -> dict[str, str]:
    """This process's, with bytecode in a folder: programs usually have theirs, and some machines forbid it."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": python_path(), "PYTHONPYCACHEPREFIX": str((folder / "bytecode").resolve())}


def python_path() -> str:
    """For processes that this one starts: where these modules lie, then what is set."""
    root = str(Path(__file__).resolve().parents[1])
    return os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
