"""Image in to mask out over DDS, beside the bare Perceiver and beside a node that only echoes the same messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructseq_bench.aims import judged
from instructseq_bench.measuring import Budget, Series, interleave, timed
from instructseq_bench.node.breakdown import where_latency_goes
from instructseq_bench.node.camera import Camera
from instructseq_bench.node.peak import MOST_MISSED, peak_rate
from instructseq_bench.node.processes import RosProcess, ros_process
from instructseq_bench.node.timing import Timing, timing
from instructseq_bench.rows import Row, measured_row
from instructseq_bench.setting import Setting
from instructseq_bench.statistics import gain, spread
from instructseq_model.errors import InstructSeqError
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Task
from instructseq_ros.local_environment import prepare_environment

SIZE_WH = (640, 480)
FRAMES = 8
WARM_UPS = 8
"""Rounds before anything counts: the search for the fastest window takes so many maps."""

LEAST_ROUNDS = 5
START_SECONDS = 120.0
ANSWER_SECONDS = 30.0
STREAM = "camera_optical_frame"
TOPICS = {"node": ("/bench/image", "/instructseq/mask"), "echo": ("/bench/echo/image", "/bench/echo/mask")}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What is measured.

    Attributes:
        cameras: by what they send to, "node" and "echo".
        perceiver: the bare one, in this process.
        instruction: what stands.
    """

    cameras: dict[str, Camera]
    perceiver: Perceiver
    instruction: str

    def bare(self, number: int) -> Mapping[str, float]:
        """Answer the frame of a round without a node: seconds by stage."""
        frames = self.cameras["node"].frames
        return self.perceiver(frames[number % len(frames)], self.instruction, stream=STREAM).timings


def measure_node(setting: Setting) -> Iterator[Row]:
    """Rows of the node.

    Raises:
        InstructSeqError: ROS 2 is not set up here, or a process did not start.
    """
    prepare_environment()
    import rclpy

    clip = setting.clip(FRAMES)
    frames = [_at_size(frame) for frame in clip.frames]
    instruction = clip.instructions[Task.SEGMENTATION]
    with ExitStack() as stack:
        context = rclpy.Context()
        rclpy.init(context=context)
        stack.callback(context.try_shutdown)
        processes = _start(setting, instruction, stack)
        cameras = {}
        for name, (images, masks) in TOPICS.items():
            node = rclpy.create_node(f"bench_{name}", context=context)
            stack.callback(node.destroy_node)
            cameras[name] = Camera(node, images=images, masks=masks, frames=frames)
            stack.callback(cameras[name].close)
        perceiver = Perceiver.load(setting.checkpoint, device=setting.device, threads=setting.threads)
        for name, camera in cameras.items():
            camera.wait_until_heard(processes[name].check, patience=START_SECONDS)
        stage = Stage(cameras=cameras, perceiver=perceiver, instruction=instruction)
        series = _round_trips(setting, stage)
        yield from _latency_rows(setting, stage, series)
        yield from _rate_rows(setting, stage, series)
        yield from _peak_rows(setting, stage, series)


def _start(setting: Setting, instruction: str, stack: ExitStack) -> dict[str, RosProcess]:
    parameters = {
        "checkpoint": setting.checkpoint.resolve(),
        "device": setting.device,
        "threads": setting.threads or 0,
        "instruction": instruction,
    }
    arguments = ["--ros-args", "-r", f"image:={TOPICS['node'][0]}"]
    for name, value in parameters.items():
        arguments += ["-p", f"{name}:={value}"]
    echo = ["--ros-args", "-r", f"image:={TOPICS['echo'][0]}", "-r", f"mask:={TOPICS['echo'][1]}"]
    programs = {"node": ("instructseq_ros.node", arguments), "echo": ("instructseq_bench.node.echo", echo)}
    return {
        name: stack.enter_context(ros_process(module, given, log=setting.out / f"{name}.log"))
        for name, (module, given) in programs.items()
    }


def _round_trips(setting: Setting, stage: Stage) -> Series:
    """One frame after the other: through the node, through the echo, and to the bare Perceiver."""

    def trip(name: str, number: int) -> float:
        seconds = stage.cameras[name].round_trip(patience=ANSWER_SECONDS)
        if seconds is None:  # sensor data may be lost
            seconds = stage.cameras[name].round_trip(patience=ANSWER_SECONDS)
        if seconds is None:
            raise InstructSeqError(f"the {name} answered no mask to two frames: see {setting.out}/{name}.log")
        return seconds

    candidates = {name: partial(trip, name) for name in stage.cameras}
    return interleave(
        {**candidates, "bare": timed(stage.bare, setting.device)}, _several(setting.budget(3)), warm_ups=WARM_UPS
    )


def _several(budget: Budget) -> Budget:
    """Enough rounds for a difference of times that is small beside them."""
    return replace(budget, least=max(LEAST_ROUNDS, budget.least), most=max(LEAST_ROUNDS, budget.most))


def _latency_rows(setting: Setting, stage: Stage, series: Series) -> Iterator[Row]:
    latency, overhead = round_trip_rows(series)
    yield latency
    why = partial(where_latency_goes, stage.cameras["node"], stage.bare, patience=ANSWER_SECONDS)
    yield judged(overhead, device=setting.device, why=why)


def round_trip_rows(series: Series) -> tuple[Row, Row]:
    """Latency beside what its parts take alone, and the difference, from seconds by round.

    Args:
        series: of "node", "echo" and "bare", as many rounds each.
    """
    alone = [bare + echo for bare, echo in zip(series["bare"], series["echo"], strict=True)]
    over = [1e3 * (whole - known) for whole, known in zip(series["node"], alone, strict=True)]
    parts = ", ".join(f"{name} {1e3 * spread(values).median:.1f} ms" for name, values in series.items())
    latency = measured_row(
        "node/latency",
        "ms",
        [1e3 * value for value in series["node"]],
        peer=[1e3 * value for value in alone],
        notes=f"one raw 640x480 frame at a time; peer: bare Perceiver plus echo node; {parts}",
    )
    overhead = measured_row("node/overhead", "ms", over, notes="latency less bare Perceiver less echo node, by round")
    return latency, overhead


def _rate_rows(setting: Setting, stage: Stage, series: Series) -> Iterator[Row]:
    alone = spread(series["bare"]).median + spread(series["echo"]).median
    for rate in setting.preset.rates:
        found = {name: _play(setting, camera, rate) for name, camera in stage.cameras.items()}
        own = found["node"]
        words = f"{_words(own)}; peer: bare Perceiver plus echo, one at a time; the echo node: {_words(found['echo'])}"
        if own.latencies:
            row = measured_row(
                f"node/latency at {rate:g} Hz", "ms", [1e3 * seconds for seconds in own.latencies], notes=words
            )
            assert row.ours is not None
            yield replace(row, peer=1e3 * alone, ratio=gain(row.ours, 1e3 * alone, "ms"))
        yield measured_row(
            f"node/missed at {rate:g} Hz",
            "% missed",
            [100 * own.missed],
            peer=[100 * found["echo"].missed],
            notes="peer: the echo node; the node takes the newest frame and drops what it replaces",
        )


def _peak_rows(setting: Setting, stage: Stage, series: Series) -> Iterator[Row]:
    for name, camera in stage.cameras.items():
        guess = 1 / spread(series[name]).median
        trials = setting.preset.peak_trials
        peak, found = peak_rate(
            partial(_play, setting, camera, least=setting.preset.peak_frames), guess=guess, trials=trials
        )
        bare = 1 / spread(series["bare"]).median
        words = f"highest of {trials} rates with at most {100 * MOST_MISSED:g} % missed"
        if found is not None:
            words = f"{words}; {_words(found)}"
        row = measured_row(f"node/peak of {name}", "Hz", [peak], limit=bare if name == "node" else None, notes=words)
        if name == "node":
            row = row.noted(f"limit: the bare Perceiver, one after the other; {gain(peak, bare, 'Hz'):.2f} of it")
        yield row


def _play(setting: Setting, camera: Camera, rate: float, *, least: int = 3) -> Timing:
    return timing(camera.play(rate, seconds=setting.preset.rate_seconds, least=least))


def _words(found: Timing) -> str:
    if np.isnan(found.mean):
        return f"none of {found.frames} frames answered"
    jitter = "" if np.isnan(found.jitter) else f", jitter {1e3 * found.jitter:.1f} ms"
    times = " / ".join(f"{1e3 * value:.1f}" for value in (found.mean, found.p95, found.most))
    return f"mean / p95 / max {times} ms{jitter}, missed {100 * found.missed:.0f} % of {found.frames} frames"


def _at_size(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    width, height = SIZE_WH
    if frame.shape[:2] == (height, width):
        return frame
    return np.array(Image.fromarray(frame).resize(SIZE_WH))
