"""What one look at one image gives back: the result type of `instructseq_model.perceiver.Perceiver`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instructseq_model.vocabulary import OutputKind

if TYPE_CHECKING:
    from instructseq_model.classing import ClassEvidence
    from instructseq_model.label_sets import LabelSet
    from instructseq_model.marking import Evidence
    from instructseq_model.outlining import BoxEvidence


class Task(str, Enum):
    """The four tasks of the paper (section 3.2.2)."""

    SEMANTIC = "semantic"
    SEGMENTATION = "segmentation"
    DETECTION = "detection"
    CAPTION = "caption"


@dataclass(frozen=True, kw_only=True)
class Box:
    """An axis-aligned box in pixels of the source image; `x2` and `y2` lie just outside the object.

    Attributes:
        score: mean probability of the four coordinate tokens, in [0, 1].
    """

    x1: float
    y1: float
    x2: float
    y2: float
    score: float

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """The corners (x1, y1, x2, y2), in pixels."""
        return (self.x1, self.y1, self.x2, self.y2)


@dataclass(frozen=True, kw_only=True)
class Perception:
    """Everything the model says about one image and one instruction. Coordinates are pixels of the source image.

    Attributes:
        kind: which token range the model chose at the first step.
        task: what was done. For maps, semantic and referring are told apart by the instruction.
        instruction: the instruction as given.
        size_wh: width and height of the source image, pixels.
        mask: H x W. Referring: uint8, 1 = the referred object. Semantic: class ids of `label_set`, uint8 or uint16,
            the highest id (`label_set.unlabelled`) meaning unlabelled. None for boxes and text.
        label_set: the label set of a semantic mask, else None.
        colour_map: H x W x 3 uint8, the painted map as the model drew it; of a referring mask, `mask` in the colour
            that it was drawn in, black elsewhere. None for boxes and text.
        boxes: the boxes, best first; of a referring mask, the box around it (empty if the mask is).
        caption: the text, for captions.
        confidence: H x W float32 in [0, 1]: token probabilities laid out on the token grid, resized (paper, 4.3); of a
            referring mask whose checkpoint says how (`marking`), the grounding's finer ones weighed in.
            None for text; for boxes it is the box's score inside the box and 0 elsewhere.
        agreement: H x W float32 in [0, 1]: share of the samples that agree with `mask`. None unless samples > 1.
        score: geometric mean of the probabilities of the chosen tokens, in [0, 1].
            Of masks and boxes it says how often the whole answer is right, where the checkpoint is calibrated; of an
            empty one, how often nothing is meant.
        absence: probability that nothing in the image is meant, in [0, 1]; None where the task refers to nothing.
        samples: how many sequences were drawn.
        kind_probabilities: probability mass of each kind at the first step; they sum to 1.
        timings: seconds by stage: convert, encode, decode, aggregate, total.
        evidence: of maps and boxes, what they were read from; None without grounding.
    """

    kind: OutputKind
    task: Task
    instruction: str
    size_wh: tuple[int, int]
    mask: NDArray[Any] | None = None
    label_set: LabelSet | None = None
    colour_map: NDArray[np.uint8] | None = None
    boxes: tuple[Box, ...] = ()
    caption: str | None = None
    confidence: NDArray[np.float32] | None = None
    agreement: NDArray[np.float32] | None = None
    score: float = 0.0
    absence: float | None = None
    samples: int = 1
    kind_probabilities: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    timings: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    evidence: Evidence | BoxEvidence | ClassEvidence | None = None
