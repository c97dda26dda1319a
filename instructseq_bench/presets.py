"""How much is measured: presets by name."""

from __future__ import annotations

from dataclasses import dataclass

from instructseq_model.decoding.drafts import DRAFTS
from instructseq_model.perception import Task


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One amount of measuring.

    Attributes:
        name: what it is called.
        seconds: that one measurement may take; what is compared with one another is one measurement.
        least: rounds made whatever they take; quartiles are told from three on.
        most: rounds that are enough.
        device: where, unless another one is named.
        paper_steps: map tokens decoded of the paper-size model.
        paper_peers: samples with which the peer draws it too; ten take it ten prefixes a round.
        paper_map: decode whole maps of it, too.
        frames: single frames that maps are decoded of.
        stream_frames: consecutive frames of a stream.
        map_samples: samples of the maps whose drafts are compared.
        drafts: of single frames that are compared, names of `DRAFTS`.
        tasks: that are measured; of those that draw maps, the drafts too.
        windows: tokens a pass checks, of which the fastest is told.
        task_samples: samples of the answers measured end to end.
        task_peers: tasks whose answers are held against token by token, too.
        task_window: tokens a pass checks there; None finds the fastest first, which takes some maps.
        growing_samples: samples of the growth.
        growing_sizes: widths of images of the growth, 4:3.
        growing_questions: instructions on a frame, and cameras, of the growth.
        starts: fresh processes started.
        rates: Hz at which the node gets images.
        rate_seconds: that each rate is held.
        peak_trials: rates tried in search of the highest.
        peak_frames: frames of a trial at least; with 20, one of them is no more than may be missed.
    """

    name: str
    seconds: float
    least: int
    most: int
    device: str = "cpu"
    paper_steps: int = 16
    paper_peers: tuple[int, ...] = (1, 10)
    paper_map: bool = False
    frames: int = 12
    stream_frames: int = 100
    map_samples: tuple[int, ...] = (1, 10)
    drafts: tuple[str, ...] = tuple(DRAFTS)
    tasks: tuple[Task, ...] = tuple(Task)
    windows: tuple[int, ...] = (16, 32, 64, 128)
    task_samples: tuple[int, ...] = (1, 4, 10)
    task_peers: tuple[Task, ...] = (Task.SEMANTIC, Task.SEGMENTATION)
    task_window: int | None = None
    growing_samples: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    growing_sizes: tuple[int, ...] = (320, 640, 1280, 1920)
    growing_questions: tuple[int, ...] = (1, 2, 4, 8)
    starts: int = 5
    rates: tuple[float, ...] = (5.0, 10.0, 30.0)
    rate_seconds: float = 10.0
    peak_trials: int = 8
    peak_frames: int = 20


QUICK = Preset(
    name="quick",
    seconds=1.0,
    least=3,
    most=8,
    paper_steps=6,
    paper_peers=(1,),
    frames=4,
    stream_frames=4,
    map_samples=(1,),
    drafts=("stale",),
    tasks=(Task.SEGMENTATION, Task.DETECTION, Task.CAPTION),
    windows=(32,),
    task_samples=(1,),
    task_peers=(),  # the section maps has them
    task_window=32,
    growing_samples=(1, 4),
    growing_sizes=(320, 1280),
    growing_questions=(1, 2),
    starts=1,
    rates=(5.0,),
    rate_seconds=1.0,
    peak_trials=2,
    peak_frames=6,
)
FULL = Preset(name="full", seconds=60.0, least=5, most=40, paper_steps=64, paper_map=True)
GPU = Preset(
    name="gpu",
    seconds=8.0,
    least=3,
    most=40,
    device="cuda",
    paper_steps=256,
    paper_map=True,
    starts=3,
    rate_seconds=4.0,
)
PRESETS: dict[str, Preset] = {preset.name: preset for preset in (QUICK, FULL, GPU)}
