"""Where the time between an image and its mask goes: what the node's own messages say of its stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from instructseq_bench.node.camera import Camera

STAGES = ("convert", "encode", "decode", "aggregate")
ROUNDS = 5
PERCEPTIONS = "/instructseq/perception"


def where_latency_goes(camera: Camera, bare: Callable[[int], Mapping[str, float]], *, patience: float) -> str:
    """The stages of a few more frames, in the node and in the bare Perceiver beside it.

    Args:
        camera: the node's.
        bare: answers the frame of a round and returns its stages, in seconds.
        patience: seconds for an answer.
    """
    from instructseq.msg import Perception

    alone, trips = [], []
    with camera.listening(Perception, PERCEPTIONS) as heard:
        for number in range(ROUNDS):
            trips.append(camera.round_trip(patience=patience))
            alone.append(bare(number))
    inside = [{stage: float(getattr(one, f"{stage}_seconds")) for stage in (*STAGES, "total")} for one in heard]
    return told_stages(inside, alone, [trip for trip in trips if trip is not None])


def told_stages(
    inside: Sequence[Mapping[str, float]], alone: Sequence[Mapping[str, float]], trips: Sequence[float]
) -> str:
    """In words: medians in milliseconds.

    Args:
        inside: seconds by stage, and "total", of frames in the node.
        alone: seconds by stage of frames in the bare Perceiver; a stage that it does not have is left out.
        trips: seconds from sending a frame to its mask.
    """
    if not inside or not trips:
        return "the node told nothing of its stages"
    parts = []
    for stage in STAGES:
        own = f"{stage} {_median(inside, stage):.1f}"
        known = any(stage in one for one in alone)
        parts.append(f"{own} (bare {_median(alone, stage):.1f})" if known else own)
    total = _median(inside, "total")
    rest = total - sum(_median(inside, stage) for stage in STAGES)
    outside = 1e3 * median(trips) - total
    return (
        f"in the node, ms: {', '.join(parts)}, between them {rest:.1f}; before and after it {outside:.1f}: two hops of "
        "DDS, handing over between threads, publishing"
    )


def _median(rows: Sequence[Mapping[str, float]], stage: str) -> float:
    return 1e3 * median(row.get(stage, 0.0) for row in rows)
