"""Maps of class ids as their publishers store them, and the ids of this project's label sets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from instructseq_model.label_sets import label_set
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.sources import Source, read_indices

COCO_STUFF_RAW_IDS = 182
COCO_STUFF_ABSENT = frozenset({11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90})
"""Raw ids of COCO-Stuff that no pixel has: street sign, hat, shoe, eye glasses, plate, mirror, window, desk, door,
blender and hair brush were named but never annotated."""

IGNORED = 255
_IMPOSSIBLE = -1


@dataclass(frozen=True, kw_only=True)
class ClassMap:
    """A published map of class ids, decoded when asked for.

    Attributes:
        source: the PNG as published.
        label_set: `coco_stuff`, `ade20k` or `household`; says what the PNG's values mean too.
    """

    source: Source
    label_set: str

    def ids(self) -> NDArray[np.uint8]:
        """H x W, ids of the label set; its `unlabelled` where the publisher ignores the pixel.

        Raises:
            DatasetError: it is no such picture, or holds a value that the format does not have.
        """
        raw = read_indices(self.source)
        ids = raw_to_id(self.label_set)[raw]
        if (ids == _IMPOSSIBLE).any():
            wrong = sorted(set(raw[ids == _IMPOSSIBLE].tolist()))
            raise DatasetError(
                f"a map holds {wrong[:5]}, which {self.label_set} does not have; use the published maps, "
                "without converting their ids"
            )
        return ids.astype(np.uint8)


@cache
def raw_to_id(name: str) -> NDArray[np.int16]:
    """What each of the 256 values of a published map means: an id of the label set, or -1 for no such value.

    COCO-Stuff 164k (`stuffthingmaps_trainval2017.zip`): 0 to 181 without `COCO_STUFF_ABSENT`, 255 ignored.
    ADE20K SceneParse150: 1 to 150 are the classes, 0 is ignored. Household: the ids themselves, 255 ignored.

    Args:
        name: of the label set.
    """
    labels = label_set(name)
    table = np.full(256, _IMPOSSIBLE, np.int16)
    if name == "coco_stuff":
        raw = [value for value in range(COCO_STUFF_RAW_IDS) if value not in COCO_STUFF_ABSENT]
        ignored = IGNORED
    elif name == "ade20k":
        raw = list(range(1, len(labels.names) + 1))
        ignored = 0
    else:
        raw = list(range(len(labels.names)))
        ignored = IGNORED
    table[raw] = np.arange(len(labels.names))
    table[ignored] = labels.unlabelled
    table.setflags(write=False)
    return table
