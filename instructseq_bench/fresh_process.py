"""A fresh process that loads a model and answers: says when it is ready, and what memory it takes.

`python -m instructseq_bench.fresh_process BACKEND FOLDER DEVICE THREADS SAMPLES...` prints one line of JSON when the
model is loaded, and one for each number of samples when its first map of so many samples is there.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Load, say so, and answer once for each number of samples."""
    began = time.perf_counter()
    backend, folder, device, threads, *samples = arguments
    import numpy as np

    from instructseq_bench.backends import BACKENDS

    imported = time.perf_counter()
    perceiver = BACKENDS[backend](Path(folder), device, int(threads) or None)
    loaded = time.perf_counter()
    _say(stage="ready", import_s=imported - began, load_s=loaded - imported, device=device)
    random = np.random.default_rng(0)
    for count in samples:
        image = random.integers(0, 256, (480, 640, 3), dtype=np.uint8)
        label_set = perceiver.model.config.label_sets[0]
        perceiver(image, "segment everything", task="semantic", samples=int(count), label_set=label_set)
        _say(stage=count, device=device)


def _say(*, stage: str, device: str, **values: float) -> None:
    if device.startswith("cuda"):
        import torch

        values["device_mib"] = torch.cuda.max_memory_allocated(device) / 2**20
    print(json.dumps({"stage": stage, "mib": peak_mebibytes(), **values}), flush=True)


def peak_mebibytes() -> float:
    """The most memory that this process has held; `getrusage` would count that of the process which started it, too."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.is_file() else []
    peaks = [float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")]
    return peaks[0] if peaks else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1:])
