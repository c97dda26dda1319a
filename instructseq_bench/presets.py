"""How much is measured: presets by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One amount of measuring.

    Attributes:
        name: what it is called.
        seconds: that one measurement may take; what is compared with one another is one measurement.
        least: rounds made whatever they take.
        most: rounds that are enough.
        device: where, unless another one is named.
        paper_steps: map tokens decoded of the paper-size model.
        paper_map: decode whole maps of it, too.
        frames: single frames that maps are decoded of.
        stream_frames: consecutive frames of a stream.
        map_samples: samples of the maps whose drafts are compared.
        windows: tokens a pass checks, of which the fastest is told.
        task_samples: samples of the answers measured end to end.
        growing_samples: samples of the growth.
        growing_sizes: widths of images of the growth, 4:3.
        growing_questions: instructions on a frame, and cameras, of the growth.
        starts: fresh processes started.
        rates: Hz at which the node gets images.
        rate_seconds: that each rate is held.
        peak_trials: rates tried in search of the highest.
    """

    name: str
    seconds: float
    least: int
    most: int
    device: str = "cpu"
    paper_steps: int = 16
    paper_map: bool = False
    frames: int = 12
    stream_frames: int = 100
    map_samples: tuple[int, ...] = (1, 10)
    windows: tuple[int, ...] = (16, 32, 64, 128)
    task_samples: tuple[int, ...] = (1, 4, 10)
    growing_samples: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    growing_sizes: tuple[int, ...] = (320, 640, 1280, 1920)
    growing_questions: tuple[int, ...] = (1, 2, 4, 8)
    starts: int = 5
    rates: tuple[float, ...] = (5.0, 10.0, 30.0)
    rate_seconds: float = 10.0
    peak_trials: int = 8


QUICK = Preset(
    name="quick",
    seconds=2.0,
    least=1,
    most=8,
    paper_steps=6,
    frames=4,
    stream_frames=10,
    map_samples=(1,),
    windows=(16, 64),
    growing_samples=(1, 4, 16, 32),
    growing_sizes=(320, 640, 1280),
    growing_questions=(1, 2, 4),
    starts=1,
    rate_seconds=1.5,
    peak_trials=4,
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
    starts=2,
    rate_seconds=4.0,
)
PRESETS: dict[str, Preset] = {preset.name: preset for preset in (QUICK, FULL, GPU)}
