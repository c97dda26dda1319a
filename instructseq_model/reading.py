"""Reading an answer: aggregate the samples of decoded tokens, place the result in the source image."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_model.aggregation import most_agreed, pairwise_box_iou, pairwise_mask_iou, vote
from instructseq_model.classing import ClassEvidence
from instructseq_model.confidence import box_confidence, confidence_grid, sequence_score
from instructseq_model.decoding.beam import Beam
from instructseq_model.decoding.generate import Generated
from instructseq_model.decoding.streams import Stream
from instructseq_model.errors import CheckpointError
from instructseq_model.geometry import Placement, map_to_source
from instructseq_model.label_sets import LabelSet
from instructseq_model.maps import class_maps, decode_maps, referring_masks
from instructseq_model.marking import Evidence
from instructseq_model.outlining import BoxEvidence
from instructseq_model.perception import Box, Perception, Task
from instructseq_model.runnable_model import RunnableModel
from instructseq_model.text import text_of
from instructseq_model.vocabulary import OutputKind

MARK_THRESHOLD = 0.2
"""A place is marked from this probability on, all codes of marks taken together. Half the overlap that can be reached
is the threshold that maximises it (Lipton et al. 2014, for F1), and the default model reaches 0.3 to 0.4."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be decoded, and for which image.

    Attributes:
        instruction: as given.
        kind: the output kind.
        task: what the output means.
        placement: how the source image lies in the model's square.
        label_set: of a map of classes; None for all else.
        samples: sequences to draw.
        temperature: of sampling.
        seed: of the noise.
        kind_probabilities: of the first step.
        stream: the frame's place in a stream; None for a single frame.
        absence: of masks and boxes, the model's own probability that nothing is meant.
        pointed: of masks and boxes, S x S float32, the grounding's logits; None without grounding.
        classes: of maps of classes, S x S x C float32, the grounding's logits; None where it tells no such classes.
    """

    instruction: str
    kind: OutputKind
    task: Task
    placement: Placement
    samples: int
    temperature: float
    seed: int
    kind_probabilities: Mapping[str, float]
    label_set: LabelSet | None = None
    stream: Stream | None = None
    absence: float = 0.0
    pointed: NDArray[np.float32] | None = None
    classes: NDArray[np.float32] | None = None

    @property
    def batch(self) -> Hashable:
        """Requests for which this is equal can be decoded together."""
        if self.kind is OutputKind.TEXT:
            return self.kind
        classes = None if self.label_set is None else self.label_set.name
        return self.kind, classes, self.samples, self.temperature, self.seed


def read_answer(
    model: RunnableModel, made: Beam | Generated, request: Request, timings: dict[str, float]
) -> Perception:
    """What the samples of one request say, in the source image.

    Args:
        model: whose tokens they are.
        made: the samples, or the best text.
        request: what they answer.
        timings: seconds by stage; `aggregate` is added.

    Raises:
        CheckpointError: it is text, and the model has no caption tokenizer.
    """
    if isinstance(made, Beam):
        return read_caption(model, made, request, timings)
    if request.label_set is not None:
        return read_semantic(model, made, request, request.label_set, timings)
    read = read_boxes if request.task is Task.DETECTION else read_referring
    return read(model, made, request, timings)


def read_semantic(
    model: RunnableModel, made: Generated, request: Request, label_set: LabelSet, timings: dict[str, float]
) -> Perception:
    """A map of classes: the samples vote on every place.

    Where the checkpoint says how (`calibration.Calibration.classing`), the grounding's reading counts too.
    """
    began = time.perf_counter()
    painted = class_maps(decode_maps(model.vqvae, _codes(model, made)), label_set)  # N x S x S
    probabilities = made.probabilities.cpu().numpy()
    evidence, classing = None, model.calibration.classing_of(request.samples)
    if request.classes is not None:
        evidence = ClassEvidence(painted=painted, logits=request.classes, placement=request.placement)
    if evidence is None or classing is None:
        ids, _ = vote(painted, classes=label_set.unlabelled + 1)
        certainty = confidence_grid(probabilities)
    else:
        ids, certainty = classing.classes(evidence)
    placed = map_to_source(ids.astype(label_set.id_type), request.placement)
    perception = Perception(
        **_common(request, timings),
        mask=placed,
        label_set=label_set,
        colour_map=label_set.all_colours[placed],
        confidence=_placed_confidence(model, certainty, request),
        agreement=_agreement((painted == ids).mean(0, dtype=np.float32), request),
        score=sequence_score(probabilities),
        evidence=evidence,
    )
    timings["aggregate"] = time.perf_counter() - began
    return perception


def read_referring(model: RunnableModel, made: Generated, request: Request, timings: dict[str, float]) -> Perception:
    """A mask of what was referred to; empty where nothing is meant.

    Where the checkpoint says how (`calibration.Calibration.marking`), it is weighed from all samples and the grounding,
    else it is what the sample paints that agrees most with the others.
    """
    began = time.perf_counter()
    painted = decode_maps(model.vqvae, _codes(model, made))  # N x S x S x 3
    masks = referring_masks(painted)  # N x S x S
    best = most_agreed(pairwise_mask_iou(masks))
    evidence = _evidence(model, made, request)
    marking = model.calibration.marking_of(request.samples)
    if evidence is None or marking is None:
        mask, colour_map, confidence, said = _as_painted(model, made, request, painted, best)
    else:
        mask, confidence, said = marking.marks(evidence)
        colour_map = np.where(mask[..., None], _colour(painted[best], masks[best]), 0).astype(np.uint8)
    score = float(model.calibration(np.array([said]), of="segmentation_score", samples=request.samples)[0])
    absence, absent = _absence(model, request)
    if absent:
        confidence = _sure_of_nothing(confidence, mask, absence)
        mask, colour_map = np.zeros_like(mask), np.zeros_like(colour_map)
    if not mask.any():
        score = absence
    perception = Perception(
        **_common(request, timings),
        mask=mask.astype(np.uint8),
        colour_map=colour_map,
        boxes=_around(mask, score),
        confidence=confidence,
        agreement=_agreement_on(mask, masks, request),
        score=score,
        absence=absence,
        evidence=evidence,
    )
    timings["aggregate"] = time.perf_counter() - began
    return perception


def read_boxes(model: RunnableModel, made: Generated, request: Request, timings: dict[str, float]) -> Perception:
    """Boxes: the answer that agrees most with the others; none where nothing is meant.

    Where the checkpoint says how (`calibration.Calibration.outlining`), they are drawn to the edges of what the
    grounding points at.
    """
    began = time.perf_counter()
    answers, said_of = zip(*(_boxes(model, made, row) for row in range(len(made.tokens))), strict=True)
    evidence, outlining = None, model.calibration.outlining_of(request.samples)
    if request.pointed is not None:
        evidence = BoxEvidence(answers=answers, said=said_of, pointed=request.pointed, placement=request.placement)
    if evidence is not None and outlining is not None:
        boxes, said = outlining.boxes(evidence)
    else:
        best = most_agreed(pairwise_box_iou(list(answers)))
        boxes, said = answers[best], said_of[best]
    absence, absent = _absence(model, request)
    if absent:
        boxes, said = boxes[:0], said[:0]
    scores = model.calibration(said, of="detection", samples=request.samples)
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
        score=float(scores.mean()) if len(scores) else absence,
        absence=absence,
        evidence=evidence,
    )
    timings["aggregate"] = time.perf_counter() - began
    return perception


def read_caption(model: RunnableModel, best: Beam, request: Request, timings: dict[str, float]) -> Perception:
    """A caption.

    Raises:
        CheckpointError: the model has no caption tokenizer.
    """
    if model.tokenizer is None:
        raise CheckpointError("this model has no caption tokenizer; load a trained checkpoint")
    caption = text_of(best.tokens, vocabulary=model.config.sequence.vocabulary, tokenizer=model.tokenizer)
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


def _codes(model: RunnableModel, made: Generated) -> Any:
    return made.tokens - model.config.sequence.vocabulary.visual_range.start


def _placed_confidence(model: RunnableModel, certainty: NDArray[np.float32], request: Request) -> NDArray[np.float32]:
    """Certainties of a map's places, calibrated and in the source image."""
    grid = model.calibration(certainty, of=request.task.value, samples=request.samples)
    return np.clip(map_to_source(grid, request.placement, method="linear"), 0.0, 1.0).astype(np.float32)


def _absence(model: RunnableModel, request: Request) -> tuple[float, bool]:
    """How probable it is that nothing is meant, and whether that is the answer."""
    of = request.task.value
    absence = model.calibration.absence_of(request.absence, of=of)
    return absence, model.calibration.is_nothing(request.absence, of=of)


def _sure_of_nothing(
    confidence: NDArray[np.float32], painted: NDArray[np.bool_], absence: float
) -> NDArray[np.float32]:
    """How sure it is that each pixel is not meant: that nothing is, or that this one is not.

    Args:
        confidence: H x W, that each pixel was painted rightly.
        painted: H x W, what the mask would have marked.
        absence: probability that nothing is meant.
    """
    marked = np.where(painted, confidence, 1 - confidence)
    return (1 - (1 - absence) * marked).astype(np.float32)


def _as_painted(
    model: RunnableModel, made: Generated, request: Request, painted: NDArray[np.uint8], best: int
) -> tuple[NDArray[np.bool_], NDArray[np.uint8], NDArray[np.float32], float]:
    """Mask, colours, confidence and sequence score of one sample's painting, in the source image."""
    # Colours are resized before they are read, so that outlines are finer than the map's pixels.
    colours = map_to_source(painted[best], request.placement, method="linear").round().astype(np.uint8)
    mask = referring_masks(colours[None])[0]
    probabilities = made.probabilities.cpu().numpy()[best : best + 1]
    confidence = _placed_confidence(model, confidence_grid(probabilities), request)
    return mask, colours * mask[..., None], confidence, sequence_score(probabilities)


def _evidence(model: RunnableModel, made: Generated, request: Request) -> Evidence | None:
    """What the samples and the grounding say of each place; None without grounding."""
    if request.pointed is None:
        return None
    marked = model.marked_codes.to(made.tokens.device)[_codes(model, made)]  # N x G*G
    probability = made.probabilities.where(marked, 1 - made.probabilities).float().cpu().numpy()
    return Evidence(painted=confidence_grid(probability), pointed=request.pointed, placement=request.placement)


def _colour(painted: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The colour that a map is marked in, 3; white where it marks nothing."""
    if not mask.any():
        return np.full(3, 255, np.uint8)
    return np.median(painted[mask], axis=0).astype(np.uint8)


def _agreement_on(mask: NDArray[np.bool_], masks: NDArray[np.bool_], request: Request) -> NDArray[np.float32] | None:
    """Share of the samples, N x S x S, that mark what `mask` marks, H x W, and leave out what it leaves out."""
    if request.samples == 1:
        return None
    share = map_to_source(masks.mean(0, dtype=np.float32), request.placement)
    return np.where(mask, share, 1 - share).astype(np.float32)


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


def _boxes(model: RunnableModel, made: Generated, row: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """K x 4 boxes as parts of the square, and their K scores."""
    length = int(made.lengths[row]) // 4 * 4
    tokens, probabilities = made.tokens[row, :length].tolist(), made.probabilities[row, :length].tolist()
    boxes = model.config.sequence.vocabulary.tokens_to_boxes(tokens)
    scores = [sum(probabilities[start : start + 4]) / 4 for start in range(0, length, 4)]
    return np.array(boxes, np.float64).reshape(-1, 4), np.array(scores, np.float64)
