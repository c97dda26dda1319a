"""The engines by name; a further one needs its function and a line here."""

from __future__ import annotations

from collections.abc import Callable

from instructseq_replay.engines.work import Progress, Work


def _local(work: Work, progress: Progress) -> None:
    from instructseq_replay.engines.local import run_local

    run_local(work, progress)


def _ray(work: Work, progress: Progress) -> None:
    from instructseq_replay.engines.ray_data import run_ray

    run_ray(work, progress)


ENGINES: dict[str, Callable[[Work, Progress], None]] = {"local": _local, "ray": _ray}
