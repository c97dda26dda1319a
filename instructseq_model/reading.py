"""Reading an answer: aggregate the samples of decoded tokens, place the result in the source image."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_model.aggregation import most_agreed, pairwise_box_iou, pairwise_mask_iou, vote
from instructseq_model.confidence import box_confidence, confidence_grid, sequence_score
from instructseq_model.decoding.beam import Beam
from instructseq_model.decoding.generate import Generated
from instructseq_model.decoding.streams import Stream
from instructseq_model.errors import CheckpointError
from instructseq_model.geometry import Placement, map_to_source
from instructseq_model.label_sets import LabelSet
from instructseq_model.maps import class_maps, decode_maps, referring_masks
from instructseq_model.model import InstructSeq
from instructseq_model.perception import Box, Perception, Task
from instructseq_model.vocabulary import OutputKind

MARK_THRESHOLD = 0.15
"""A place is marked from this probability on, all codes of marks taken together. Half the overlap that can be reached
is the threshold that maximises it (Lipton et al. 2014, for F1), and the default model reaches about 0.3."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be decoded, and for which image.

    Attributes:
        instruction: as given.
        kind: the output kind.
        task: what the output means.
        placement: how the source image lies in the model's square.
        samples: sequences to draw.
        temperature: of sampling.
        seed: of the noise.
        kind_probabilities: of the first step.
        stream: the frame's place in a stream; None for a single frame.
    """

    instruction: str
    kind: OutputKind
    task: Task
    placement: Placement
    samples: int
    temperature: float
    seed: int
    kind_probabilities: Mapping[str, float]
    stream: Stream | None = None

    @property
    def batch(self) -> Hashable:
        """Requests for which this is equal can be decoded together."""
        if self.kind is OutputKind.TEXT:
            return self.kind
        return self.kind, self.task is Task.SEGMENTATION, self.samples, self.temperature, self.seed


def read_semantic(
    model: InstructSeq, made: Generated, request: Request, label_set: LabelSet, timings: dict[str, float]
) -> Perception:
    """A map of classes: the samples vote on every pixel."""
    began = time.perf_counter()
    painted = decode_maps(model.vqvae, _codes(model, made))  # N x S x S x 3
    ids, agreement = vote(class_maps(painted, label_set), classes=label_set.unlabelled + 1)
    placed = map_to_source(ids.astype(label_set.id_type), request.placement)
    perception = Perception(
        **_common(request, timings),
        mask=placed,
        label_set=label_set,
        colour_map=label_set.all_colours[placed],
        confidence=_confidence(made.probabilities.cpu().numpy(), request.placement),
        agreement=_agreement(agreement, request),
        score=sequence_score(made.probabilities.cpu().numpy()),
    )
    timings["aggregate"] = time.perf_counter() - began
    return perception


def read_referring(model: InstructSeq, made: Generated, request: Request, timings: dict[str, float]) -> Perception:
    """A mask of what was referred to: the sample that agrees most with the others."""
    began = time.perf_counter()
    painted = decode_maps(model.vqvae, _codes(model, made))  # N x S x S x 3
    masks = referring_masks(painted)  # N x S x S
    best = most_agreed(pairwise_mask_iou(masks))
    # Colours are resized before they are read, so that outlines are finer than the map's pixels.
    colour_map = map_to_source(painted[best], request.placement, method="linear").round().astype(np.uint8)
    mask = referring_masks(colour_map[None])[0]
    probabilities = made.probabilities.cpu().numpy()[best : best + 1]
    score = sequence_score(probabilities)
    perception = Perception(
        **_common(request, timings),
        mask=mask.astype(np.uint8),
        colour_map=colour_map * mask[..., None],
        boxes=_around(mask, score),
        confidence=_confidence(probabilities, request.placement),
        agreement=_agreement((masks == masks[best]).mean(0, dtype=np.float32), request),
        score=score,
    )
    timings["aggregate"] = time.perf_counter() - began
    return perception


def read_boxes(model: InstructSeq, made: Generated, request: Request, timings: dict[str, float]) -> Perception:
    """Boxes: the answer that agrees most with the others."""
    began = time.perf_counter()
    answers = [_boxes(model, made, row) for row in range(len(made.tokens))]
    best = most_agreed(pairwise_box_iou([boxes for boxes, _ in answers]))
    boxes, scores = answers[best]
    placed = request.placement.boxes_to_source(boxes) if len(boxes) else boxes
    order = np.argsort(-scores, kind="stable")
    found = tuple(
        Box(x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), score=float(scores[i]))
        for i in order
        for x1, y1, x2, y2 in [placed[i]]
    )
    perception = Perception(
        **_common(request, timings),
        boxes=found,
        confidence=box_confidence(placed, scores, request.placement.size_wh),
        score=float(scores.mean()) if len(scores) else float(made.probabilities[best, 0]),
    )
    timings["aggregate"] = time.perf_counter() - began
    return perception


def read_caption(model: InstructSeq, best: Beam, request: Request, timings: dict[str, float]) -> Perception:
    """A caption.

    Raises:
        CheckpointError: the model has no caption tokenizer.
    """
    if model.tokenizer is None:
        raise CheckpointError("this model has no caption tokenizer; load a trained checkpoint")
    first, size = model.config.sequence.vocabulary.text_range.start, model.tokenizer.size
    caption = model.tokenizer.decode([token - first for token in best.tokens if token - first < size])
    score = float(np.exp(best.log_probability / (len(best.tokens) + 1)))
    timings["aggregate"] = 0.0
    return Perception(**_common(request, timings), caption=caption, score=score)


def _common(request: Request, timings: dict[str, float]) -> dict[str, Any]:
    return {
        "kind": request.kind,
        "task": request.task,
        "instruction": request.instruction,
        "size_wh": request.placement.size_wh,
        "samples": request.samples,
        "kind_probabilities": request.kind_probabilities,
        "timings": timings,
    }


def _codes(model: InstructSeq, made: Generated) -> Any:
    return made.tokens - model.config.sequence.vocabulary.visual_range.start


def _confidence(probabilities: NDArray[np.floating], placement: Placement) -> NDArray[np.float32]:
    grid = confidence_grid(probabilities)
    return np.clip(map_to_source(grid, placement, method="linear"), 0.0, 1.0).astype(np.float32)


def _agreement(share: NDArray[np.float32], request: Request) -> NDArray[np.float32] | None:
    if request.samples == 1:
        return None
    return map_to_source(share.astype(np.float32), request.placement)


def _around(mask: NDArray[np.bool_], score: float) -> tuple[Box, ...]:
    """The box around a mask; none around an empty one."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows) == 0:
        return ()
    corners = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    x1, y1, x2, y2 = (float(value) for value in corners)
    return (Box(x1=x1, y1=y1, x2=x2, y2=y2, score=score),)


def _boxes(model: InstructSeq, made: Generated, row: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """K x 4 boxes as parts of the square, and their K scores."""
    length = int(made.lengths[row]) // 4 * 4
    tokens, probabilities = made.tokens[row, :length].tolist(), made.probabilities[row, :length].tolist()
    boxes = model.config.sequence.vocabulary.tokens_to_boxes(tokens)
    scores = [sum(probabilities[start : start + 4]) / 4 for start in range(0, length, 4)]
    return np.array(boxes, np.float64).reshape(-1, 4), np.array(scores, np.float64)
