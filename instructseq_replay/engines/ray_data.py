"""Many workers on many machines, through Ray Data: each worker loads the model once and does shard after shard.

A shard's finished frames are in its journal, in a folder that all machines see. When a worker dies, Ray gives its shard
to another one, which goes on behind the last finished frame.
"""

from __future__ import annotations

import os
import threading
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_model.errors import ConfigError, InstructSeqError
from instructseq_replay.bags.types import INTERFACE_PACKAGES, message_types
from instructseq_replay.engines.shards import Shard, minutes, run_shard
from instructseq_replay.engines.work import Progress, Work
from instructseq_replay.evaluation import Answerer
from instructseq_replay.journal import JournalError, journal_index

POLL_SECONDS = 1.0
TAKEN_SECONDS = 60.0
"""How long a shard may still be held by a worker that was given up."""

BLOCKS_A_WORKER = 32
"""Shards are handed out in so many blocks for each worker."""

Batch = dict[str, NDArray[Any]]


class ShardWorker:
    """One process that does shards.

    Args:
        work: all of it.
        shards: by their numbers.
    """

    def __init__(self, work: Work, shards: list[Shard]) -> None:
        self._work, self._shards = work, shards
        self._types = message_types(*INTERFACE_PACKAGES)

    @cached_property
    def _answerer(self) -> Answerer:
        return self._work.load_model()

    def __call__(self, batch: Batch) -> Batch:
        """Do the shards whose numbers are in the column `shard`; gives them back with their counts of frames."""
        counts = [self._do(self._shards[int(number)]) for number in batch["shard"]]
        return {"shard": batch["shard"], "frames": np.array(counts, np.int64)}

    def _do(self, shard: Shard) -> int:
        end = time.monotonic() + TAKEN_SECONDS
        while True:
            try:
                done = run_shard(
                    shard,
                    journals=self._work.journals,
                    answerer=lambda: self._answerer,
                    instructions=self._work.instructions,
                    types=self._types,
                )
                return sum(1 for _ in done)
            except JournalError:
                if time.monotonic() > end:
                    raise
                time.sleep(POLL_SECONDS)


def run_ray(work: Work, progress: Progress) -> None:
    """Do the work on `work.workers` processes of a Ray cluster: the one that RAY_ADDRESS names, or one of this machine.

    Raises:
        ConfigError: Ray is not installed.
        InstructSeqError: a shard failed even when it was tried again.
    """
    try:
        import ray
    except ImportError:
        raise ConfigError("the engine ray needs the package ray: `pip install 'instructseq[fleet]'`") from None
    shards = [
        shard for recording in work.recordings for shard in minutes(recording, period_ns=work.instructions.period_ns)
    ]
    started = not ray.is_initialized()
    if started:
        ray.init(**_cluster(work.workers))
    stop = threading.Event()
    watch = threading.Thread(target=_watch, args=(work.journals, shards, progress, stop))
    watch.start()
    try:
        _through_ray(work, shards)
    finally:
        stop.set()
        watch.join()
        if started:
            ray.shutdown()


def _through_ray(work: Work, shards: list[Shard]) -> None:
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    gpus = 1 if work.needs_gpu else 0
    # A block that is done again after a failure only looks into the journals of its finished shards.
    blocks = min(len(shards), BLOCKS_A_WORKER * work.workers)
    numbers = ray.data.from_items([{"shard": number} for number in range(len(shards))], override_num_blocks=blocks)
    done = numbers.map_batches(
        ShardWorker,
        fn_constructor_args=(work, shards),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(work.workers, len(shards))),
        num_cpus=1,
        num_gpus=gpus,
        max_restarts=-1,
        max_task_retries=-1,
    )
    try:
        finished = {row["shard"] for row in done.iter_rows()}
    except ray.exceptions.RayError as error:
        raise InstructSeqError(
            f"a worker failed ({str(error).splitlines()[-1]}): start again, finished frames stay"
        ) from error
    if len(finished) != len(shards):
        raise InstructSeqError(f"{len(shards) - len(finished)} shards were not done: start again, finished frames stay")


def _cluster(workers: int) -> dict[str, Any]:
    """Arguments of `ray.init`: a running cluster where there is one, else as many processes as asked for."""
    common: dict[str, Any] = {"include_dashboard": False, "logging_level": "warning", "log_to_driver": False}
    paths = {
        name: os.environ[name] for name in ("PYTHONPATH", "AMENT_PREFIX_PATH", "LD_LIBRARY_PATH") if name in os.environ
    }
    common["runtime_env"] = {"env_vars": paths}
    if os.environ.get("RAY_ADDRESS"):
        del common["include_dashboard"]
        return {**common, "address": os.environ["RAY_ADDRESS"]}
    return {**common, "num_cpus": workers}


def _watch(journals: Path, shards: list[Shard], progress: Progress, stop: threading.Event) -> None:
    """Tell the progress what is in the journals, which all workers write."""
    sizes: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    told, ended = 0, False
    while not ended:
        ended = stop.wait(max(POLL_SECONDS, len(shards) / 1000))
        for path in (journals / shard.journal_name for shard in shards):
            size = path.stat().st_size if path.is_file() else 0
            if size != sizes.get(path, 0):
                sizes[path] = size
                counts[path] = sum("key" in head for _, head in journal_index(path))
        now = sum(counts.values())
        if now > told:
            progress(now - told, 0)
            told = now
