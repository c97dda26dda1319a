"""How cost grows with samples, with the image's size, with instructions on a frame and with cameras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructseq_bench.measuring import Series, interleave, timed
from instructseq_bench.rows import Row, measured_row
from instructseq_bench.setting import Clip, Setting
from instructseq_bench.statistics import spread
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Task
from instructseq_model.question import Question

TASK = Task.SEGMENTATION
FRAMES = 12
WINDOW = 32
"""Fixed, so that the search for the fastest does not mix with what is measured."""

TEMPERATURE = 0.9


def measure_growth(setting: Setting) -> Iterator[Row]:
    """Rows of every direction of growth."""
    model = Perceiver.load(setting.checkpoint, device=setting.device, threads=setting.threads).model
    perceiver = Perceiver(model, window=WINDOW)
    clip = setting.clip(FRAMES)
    # What codes mean and what the instruction says is found once.
    perceiver(clip.frames[0], clip.instructions[TASK], task=TASK)
    yield from _samples(setting, perceiver, clip)
    yield from _sizes(setting, perceiver, clip)
    yield from _instructions(setting, perceiver, clip)
    yield from _cameras(setting, perceiver, clip)


def _samples(setting: Setting, perceiver: Perceiver, clip: Clip) -> Iterator[Row]:
    def answer(samples: int, number: int) -> None:
        frame = clip.new_frame(number, samples)
        perceiver(frame, clip.instructions[TASK], task=TASK, samples=samples, temperature=TEMPERATURE)

    counts = setting.preset.growing_samples
    series = _measured(setting, {f"{count}": partial(answer, count) for count in counts})
    yield from _rows("samples N=", series, [float(count) for count in counts])


def _sizes(setting: Setting, perceiver: Perceiver, clip: Clip) -> Iterator[Row]:
    widths = setting.preset.growing_sizes
    frames = {width: [_resized(frame, width) for frame in clip.frames[:3]] for width in widths}

    def answer(width: int, number: int) -> None:
        held = frames[width]
        perceiver(held[number % len(held)], clip.instructions[TASK], task=TASK)

    named = {f"{width}x{3 * width // 4}": partial(answer, width) for width in widths}
    yield from _rows("image ", _measured(setting, named), [(width / widths[0]) ** 2 for width in widths])


def _instructions(setting: Setting, perceiver: Perceiver, clip: Clip) -> Iterator[Row]:
    def answer(count: int, number: int) -> None:
        frame = clip.new_frame(number, 100 + count)
        words = [f"{clip.instructions[TASK]}{' ' * extra}" for extra in range(count)]
        perceiver.batch([Question(image=frame, instruction=one, task=TASK) for one in words])

    counts = setting.preset.growing_questions
    series = _measured(setting, {f"{count}": partial(answer, count) for count in counts})
    yield from _rows("instructions ", series, [float(count) for count in counts])


def _cameras(setting: Setting, perceiver: Perceiver, clip: Clip) -> Iterator[Row]:
    def answer(count: int, number: int) -> None:
        frames = [clip.new_frame(number, 10 * count + camera) for camera in range(count)]
        perceiver.batch(
            [
                Question(image=frame, instruction=clip.instructions[TASK], task=TASK, stream=f"{count}/{camera}")
                for camera, frame in enumerate(frames)
            ]
        )

    counts = setting.preset.growing_questions
    series = _measured(setting, {f"{count}": partial(answer, count) for count in counts})
    yield from _rows("cameras ", series, [float(count) for count in counts])


def _measured(setting: Setting, works: Mapping[str, Callable[[int], object]]) -> Series:
    candidates = {name: timed(work, setting.device) for name, work in works.items()}
    return interleave(candidates, setting.budget(1.5), warm_ups=min(1, setting.preset.least - 1))


def _rows(what: str, series: Series, amounts: list[float]) -> Iterator[Row]:
    """Each amount beside as much of the first as it is: what the cost would be if nothing were shared."""
    first = next(iter(series.values()))
    single = spread(first).median
    for (name, values), amount in zip(series.items(), amounts, strict=True):
        share = amount / amounts[0]
        cost = spread(values).median / single
        yield measured_row(
            f"growth/{what}{name}",
            "ms",
            [1e3 * value for value in values],
            peer=[1e3 * share * value for value in first],
            notes=f"{cost:.2f} times the first; peer: {share:g} times the first, in proportion",
        )


def _resized(frame: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    return np.array(Image.fromarray(frame).resize((width, 3 * width // 4)))
