"""Render a split in parallel: one process a shard, every shard the same whoever renders it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rich.progress import Progress

from instructseq_training.progress_columns import progress_columns
from instructseq_training.scenes.assets import find_assets
from instructseq_training.scenes.captions import write_captions
from instructseq_training.scenes.catalogue import ObjectModel, read_catalogue
from instructseq_training.scenes.config import SPLITS, SceneConfig
from instructseq_training.scenes.draw import draw_models, generator
from instructseq_training.scenes.errors import SceneError
from instructseq_training.scenes.expressions import write_expressions
from instructseq_training.scenes.render import FrameRenderer
from instructseq_training.scenes.shards import Sample, frame_record, shard_file, write_shard
from instructseq_training.scenes.world import build_world


@dataclass(frozen=True)
class _Job:
    """One shard to be rendered."""

    out: Path
    split: str
    seed: int
    shard: int
    frames: int
    root: Path
    config: SceneConfig


def run(
    out: Path,
    frames: int,
    split: str,
    seed: int,
    workers: int = 1,
    assets: Path | None = None,
    *,
    config: SceneConfig | None = None,
    show_progress: bool = True,
) -> list[Path]:
    """Render the first `frames` frames of a split; shards that are there already are left alone.

    What a frame shows depends on the seed, the split, its number and the configuration, not on the number of workers.

    Args:
        out: folder of the shards; made if need be.
        frames: how many, at least 1.
        split: `train`, `val` or `heldout`.
        seed: at least 0.
        workers: processes.
        assets: folder that holds the object models; see `find_assets`.
        config: how scenes are drawn; the defaults of `SceneConfig` if not given.
        show_progress: draw a progress bar.

    Returns:
        The shards' files, in order.

    Raises:
        SceneError: an argument makes no sense, or the object models are missing.
    """
    config = config or SceneConfig()
    config.check()
    if split not in SPLITS:
        raise SceneError(f"split {split!r} is unknown: choose one of {', '.join(SPLITS)}")
    if frames < 1 or workers < 1 or seed < 0:
        raise SceneError(f"needed: frames >= 1, workers >= 1, seed >= 0; got {frames}, {workers}, {seed}")
    root = find_assets(assets)
    out.mkdir(parents=True, exist_ok=True)
    size = config.shard_size(split)
    jobs = [
        _Job(out, split, seed, shard, min(size, frames - shard * size), root, config)
        for shard in range((frames + size - 1) // size)
    ]
    _render_all([job for job in jobs if not shard_file(out, split, job.shard).exists()], workers, show_progress)
    return [shard_file(out, split, job.shard) for job in jobs]


def generate(*, split: str, seed: int, shard: int, frames: int, root: Path, config: SceneConfig) -> Iterator[Sample]:
    """The frames of one shard.

    Args:
        split: `train`, `val` or `heldout`.
        seed: of the whole set.
        shard: number of the shard.
        frames: how many of its frames.
        root: as `find_assets` returns it.
        config: how scenes are drawn.
    """
    models = _catalogue(root)
    random = generator(seed, split, shard)
    place, drawn = draw_models(models, split=split, config=config, random=random)
    world = build_world(drawn, place=place, root=root, config=config, random=random)
    absent = absent_names(models, split=split)
    with FrameRenderer(world, config=config, root=root) as renderer:
        for number in range(frames):
            random = generator(seed, split, shard, number)
            frame = renderer.render(random)
            expressions = write_expressions(
                frame.objects, width=config.width, absent=absent, limit=config.expressions, random=random
            )
            captions = write_captions(frame.objects, place=frame.place, random=random)
            key = f"{split}-{shard * config.shard_size(split) + number:07d}"
            record = frame_record(frame, key=key, split=split, seed=seed, expressions=expressions, captions=captions)
            yield Sample(key, frame.rgb, frame.instances, frame.classes, record)


def absent_names(models: Sequence[ObjectModel], *, split: str) -> list[str]:
    """Names that may be asked for in vain: held-out ones only where they also appear."""
    return sorted({model.name for model in models if split == "heldout" or not model.held_out})


@lru_cache(maxsize=2)
def _catalogue(root: Path) -> tuple[ObjectModel, ...]:
    return tuple(read_catalogue(root))


def _render_job(job: _Job) -> int:
    samples = generate(
        split=job.split, seed=job.seed, shard=job.shard, frames=job.frames, root=job.root, config=job.config
    )
    return write_shard(shard_file(job.out, job.split, job.shard), samples)


def _render_all(jobs: Sequence[_Job], workers: int, show_progress: bool) -> None:
    if not jobs:
        return
    with Progress(*progress_columns(), disable=not show_progress) as progress:
        task = progress.add_task(f"{jobs[0].split} frames", total=sum(job.frames for job in jobs))
        # Fresh processes: an OpenGL context does not survive a fork.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
            running = [pool.submit(_render_job, job) for job in jobs]
            try:
                for done in as_completed(running):
                    progress.advance(task, done.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
