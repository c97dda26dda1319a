"""`instructseq bench`: how fast it is here, beside what one would use instead and beside what the machine allows."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instructseq_cli.demo.command import PLAN
from instructseq_model.checkpoint_folders import DEFAULT, find_checkpoint
from instructseq_model.errors import ConfigError, InstructSeqError
from instructseq_model.perception import Task

if TYPE_CHECKING:
    from instructseq_bench.setting import Clip

CLIP_SEED = 6
LEAST_FRAMES = 3
FILE_WIDTH = 140
"""Columns of the table where it does not go to a terminal."""


def bench(
    preset: Annotated[
        str, typer.Option(help="quick: two minutes. full: an hour. gpu: on CUDA, ten minutes.")
    ] = "quick",
    only: Annotated[
        list[str] | None,
        typer.Option(help="A section: paper, maps, tasks, startup, node, growth; may be repeated. Default: all."),
    ] = None,
    checkpoint: Annotated[str, typer.Option(help="Folder of a checkpoint, or the name of a shipped one.")] = DEFAULT,
    export: Annotated[
        list[str] | None,
        typer.Option(metavar="BACKEND=FOLDER", help="An export to measure beside the checkpoint; may be repeated."),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(help="A further backend of the checkpoint, such as torch-compiled; may be repeated."),
    ] = None,
    clip: Annotated[
        str,
        typer.Option(help="Frames: a bag's folder, `demo` for the one that is shipped, or `rendered` for a new one."),
    ] = "",
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N. Default: the preset's.")] = "",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves PyTorch's choice.")] = 0,
    json: Annotated[Path, typer.Option(help="The file written; plots and logs lie beside it.")] = Path(
        "out/bench.json"
    ),
) -> None:
    """Measure decoding, answers, start-up, the node and how cost grows; compare with peers in the same run.

    * instructseq bench

    * instructseq bench --only maps --only node --json out/bench.json

    * instructseq bench --preset gpu --device cuda --backend torch-compiled

    Each row has ours, the peer, their ratio, the limit, the share of it that is reached, and whether the results are
    the same: medians and quartiles of rounds in which all that is compared takes turns. The section node needs a shell
    with ROS 2: `. scripts/env.sh`.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # PyTorch's profiler tells each start and stop
    from rich.console import Console

    from instructseq_bench.plots import draw_plots
    from instructseq_bench.presets import PRESETS
    from instructseq_bench.rows import write_report
    from instructseq_bench.run import run
    from instructseq_bench.sections import chosen_sections
    from instructseq_bench.setting import Setting
    from instructseq_bench.table import show
    from instructseq_model.model_config import load_model_config

    if preset not in PRESETS:
        raise ConfigError(f"there is no preset {preset!r}: name one of {', '.join(PRESETS)}")
    names = chosen_sections(only)
    _check_device(device or PRESETS[preset].device)
    source = clip or ("demo" if preset == "quick" else "rendered")
    whole = cache(lambda: read_clip(source, PRESETS[preset].stream_frames))

    def first(frames: int) -> Clip:
        return replace(whole(), frames=whole().frames[:frames])

    folder = find_checkpoint(checkpoint)
    setting = Setting(
        preset=PRESETS[preset],
        device=device or PRESETS[preset].device,
        threads=threads or None,
        checkpoint=folder,
        paper=load_model_config(_config("large.yaml")).sequence,
        clip=first,
        others=dict.fromkeys(backend or [], folder) | _exports(export or []),
        out=json.parent / "bench-logs",
    )
    console = Console(highlight=False, width=None if sys.stdout.isatty() else FILE_WIDTH)
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        report = run(
            names,
            setting,
            say=lambda line: console.print(line, style="dim"),
            keep=lambda so_far: write_report(so_far, json),
        )
    finally:
        signal.signal(signal.SIGTERM, before)
    show(report, console)
    for file in (json, *draw_plots(report, json.parent)):
        console.print(f"written: {file}")


def _leave(*_: object) -> None:
    """End as after Ctrl-C, so that the processes of the section `node` are ended too."""
    raise KeyboardInterrupt


def read_clip(source: str, frames: int) -> Clip:
    """Frames of a moving camera.

    Args:
        source: a bag's folder, "demo" or "rendered".
        frames: how many at most.

    Raises:
        InstructSeqError: the bag cannot be read, or nothing can be rendered here.
        ConfigError: it has fewer than three frames.
    """
    clip = (
        _rendered(frames)
        if source == "rendered"
        else _of_bag(PLAN.parent / "table" if source == "demo" else Path(source))
    )
    if len(clip.frames) < LEAST_FRAMES:
        raise ConfigError(f"the clip {source} has {len(clip.frames)} frames; at least {LEAST_FRAMES} are needed")
    return replace(clip, frames=clip.frames[:frames])


def _rendered(frames: int) -> Clip:
    from instructseq_bench.setting import Clip

    try:
        from instructseq_training.scenes.video import video
    except ImportError as error:
        raise InstructSeqError(
            f"a clip cannot be rendered here ({error}): run scripts/setup.sh, or give --clip demo"
        ) from None
    shown = list(video(seed=CLIP_SEED, frames=frames))
    said = shown[0][3]["expressions"]
    named = said[0]["text"] if said else "the mug"
    return Clip(
        frames=tuple(rgb for rgb, *_ in shown),
        instructions=_instructions(f"Mark {named} in green.", f"Where is {named}?"),
        origin=f"{len(shown)} rendered frames at 10 Hz",
    )


def _of_bag(folder: Path) -> Clip:
    from instructseq_bench.setting import Clip
    from instructseq_cli.demo.frames import frames_of_bag

    pictures = tuple(frame.pixels for frame in frames_of_bag(folder))
    words = _instructions("Mark the orange game console in green.", "Where are the black high heels?")
    return Clip(frames=pictures, instructions=words, origin=f"frames of the bag {folder.name}")


def _instructions(mark: str, find: str) -> dict[Task, str]:
    return {
        Task.SEMANTIC: "Segment everything.",
        Task.SEGMENTATION: mark,
        Task.DETECTION: find,
        Task.CAPTION: "Describe this picture.",
    }


def _config(name: str) -> Path:
    """A file of config/, in the source tree or in an installed workspace."""
    prefixes = filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep))
    shares = [Path(prefix) / "share" / "instructseq" for prefix in prefixes]
    roots = [Path(__file__).resolve().parents[1], *shares]
    return next((root / "config" / name for root in roots if (root / "config" / name).is_file()), Path("config") / name)


def _exports(named: list[str]) -> dict[str, Path]:
    exports = {}
    for text in named:
        backend, sign, folder = text.partition("=")
        if not (backend and sign and Path(folder).is_dir()):
            raise ConfigError(f"--export {text!r} must be BACKEND=FOLDER, a folder that `instructseq export` wrote")
        exports[backend] = Path(folder)
    return exports


def _check_device(name: str) -> None:
    """Refuse a device that is not here before anything is measured."""
    import torch

    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device {name!r} is wanted, but torch sees no CUDA device here; give --device cpu")
