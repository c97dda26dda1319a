"""End to end: from pixels and words to mask, box or caption, by task, backend and number of samples."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from instructseq_bench.aims import judged
from instructseq_bench.backends import BACKENDS, backend_folders
from instructseq_bench.measuring import Candidate, interleave, timed
from instructseq_bench.profiles import where_time_goes
from instructseq_bench.rows import Row, measured_row
from instructseq_bench.setting import Clip, Setting
from instructseq_model.decoding.windows import CANDIDATES, TRIALS
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Perception, Task

PEER = "token by token"
MAP_TASKS = (Task.SEMANTIC, Task.SEGMENTATION)
FRAMES = 4


class Answers:
    """Answers of one Perceiver to frame after frame.

    Args:
        perceiver: who answers.
        clip: frames and instructions.
        task: what is asked.
        samples: N.
    """

    def __init__(self, perceiver: Perceiver, clip: Clip, task: Task, samples: int) -> None:
        self._perceiver, self._clip, self._task, self._samples = perceiver, clip, task, samples
        self.given: dict[int, Perception] = {}

    def __call__(self, number: int) -> None:
        """Answer the frame of this round."""
        frame = self._clip.new_frame(number, 32 * list(Task).index(self._task) + self._samples)
        instruction = self._clip.instructions[self._task]
        label_set = self._perceiver.model.config.label_sets[0]
        self.given[number] = self._perceiver(
            frame, instruction, task=self._task, samples=self._samples, label_set=label_set
        )

    def go_on(self) -> None:
        """Answer the frame after the last, whose own states are still held."""
        self(max(self.given) + 1)


def measure_tasks(setting: Setting) -> Iterator[Row]:
    """Rows of each task."""
    perceivers = {
        name: Perceiver(
            BACKENDS[name](folder, setting.device, setting.threads).model, window=setting.preset.task_window
        )
        for name, folder in backend_folders(setting).items()
    }
    peer = Perceiver(perceivers["torch"].model, window=1)
    clip = setting.clip(FRAMES)
    for task in setting.preset.tasks:
        for samples in setting.preset.task_samples:
            if task is Task.CAPTION and samples > 1:
                continue  # captions come from beam search, whatever the samples
            yield from _rows(setting, perceivers, peer, clip, task, samples)


def _rows(
    setting: Setting, perceivers: dict[str, Perceiver], peer: Perceiver, clip: Clip, task: Task, samples: int
) -> Iterator[Row]:
    answers = {name: Answers(perceiver, clip, task, samples) for name, perceiver in perceivers.items()}
    against = task in setting.preset.task_peers
    compared = answers | ({PEER: Answers(peer, clip, task, samples)} if against else {})
    candidates: dict[str, Candidate] = {name: timed(one, setting.device) for name, one in compared.items()}
    for one in answers.values():
        _settle(one, setting, task)
    # Each has answered before; the peer runs the same model.
    series = interleave(candidates, setting.budget(0.75), warm_ups=0)
    for name in perceivers:
        held_against = PEER if against and name == "torch" else "torch"
        other = None if held_against == name else series[held_against]
        row = measured_row(
            f"tasks/{name}/{task.value} N={samples}",
            "ms",
            [1e3 * value for value in series[name]],
            peer=None if other is None else [1e3 * value for value in other],
            exact=None if other is None else _same(answers[name], compared[held_against]),
            notes="" if other is None else f"peer: {held_against}",
        ).noted(_stages(answers[name]), "beam search of 6" if task is Task.CAPTION else "")
        why = partial(where_time_goes, answers[name].go_on, setting.device)
        yield judged(row, device=setting.device, why=why)


def _settle(answers: Answers, setting: Setting, task: Task) -> None:
    """Answer once, and find the window of maps: a map for each that is tried, and a second where it pays.

    Of frames that no round has, since states of known frames are held.
    """
    searched = task in MAP_TASKS and setting.preset.task_window is None
    for number in range(-(TRIALS * len(CANDIDATES) if searched else 1), 0):
        answers(number)


def _stages(answers: Answers) -> str:
    timings = [answer.timings for answer in answers.given.values() if answer.timings]
    names = [name for name in timings[-1] if name != "total"]
    return ", ".join(f"{name} {1e3 * float(np.median([one[name] for one in timings])):.0f} ms" for name in names)


def _same(ours: Answers, theirs: Answers) -> bool:
    """Whether both answered alike where both answered."""
    both = ours.given.keys() & theirs.given.keys()
    return all(_equal(ours.given[number], theirs.given[number]) for number in both)


def _equal(one: Perception, other: Perception) -> bool:
    masks: tuple[Any, Any] = (one.mask, other.mask)
    same_masks = all(mask is None for mask in masks) or bool(np.array_equal(*masks))
    corners = [[box.xyxy for box in answer.boxes] for answer in (one, other)]
    return same_masks and corners[0] == corners[1] and one.caption == other.caption
