"""Made-up samples of a mixture, for measuring speed without its datasets: noise, with one square that has a name."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from instructseq_model.label_sets import label_set
from instructseq_model.perception import Task
from instructseq_training.datasets.mixture import Mixture
from instructseq_training.datasets.samples import TrainingSample
from instructseq_training.datasets.table import dataset
from instructseq_training.examples import caption_example, referring_example, semantic_example
from instructseq_training.instructions import InstructionSet

SIZE_HW = (480, 640)
CAPTIONS = ("a table with a mug, a bowl and a lamp on it", "a room with two chairs and a window")


@dataclass(frozen=True, kw_only=True)
class MadeUpSamples:
    """Samples by number, of a mixture's tasks in its shares.

    Attributes:
        mixture: whose tasks and label sets.
        phrasings: the instruction set to draw words from.
        map_side: S, side of the output maps in pixels.
    """

    mixture: Mixture
    phrasings: InstructionSet
    map_side: int

    def __getitem__(self, number: int) -> TrainingSample:
        rng = random.Random(number)
        component = rng.choices(self.mixture.components, self.mixture.shares)[0]
        image = np.random.default_rng(number).integers(0, 256, (*SIZE_HW, 3), np.uint8)
        key, side = str(number), self.map_side
        if component.task is Task.SEMANTIC:
            name = str(dataset(component.dataset).label_set)
            count = len(label_set(name).names)
            rows = np.arange(side) * count // side
            return TrainingSample(
                key=key,
                image=image,
                example=semantic_example(phrasings=self.phrasings, label_set=name, rng=rng),
                classes=np.repeat(rows[:, None], side, 1).astype(np.uint8),
                label_set=name,
            )
        if component.task is Task.CAPTION:
            said = {"captions": CAPTIONS}
            return TrainingSample(
                key=key, image=image, example=caption_example(said, phrasings=self.phrasings, rng=rng)
            )
        mask = np.zeros((side, side), bool)
        mask[: side // 2, : side // 2] = True
        box = [0, 0, SIZE_HW[1] // 2, SIZE_HW[0] // 2]
        said_of = {"width": SIZE_HW[1], "height": SIZE_HW[0], "objects": [{"index": 1, "box": box}]}
        words = {"text": "the mug on the left", "kind": "name", "targets": [1]}
        example = referring_example(said_of, words, task=component.task, phrasings=self.phrasings, rng=rng)
        return TrainingSample(key=key, image=image, example=example, mask=mask)
