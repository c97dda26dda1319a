"""Fitting a checkpoint's calibration on scenes that it was not trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.console import Console
from rich.progress import track
from scipy.optimize import isotonic_regression

from instructseq_model.calibration import Absence, Calibration, Curve
from instructseq_model.checkpoint import save_calibration
from instructseq_model.errors import ConfigError, InstructionError
from instructseq_model.marking import Evidence, Marking
from instructseq_model.outlining import BoxEvidence, Outlining
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Perception, Task
from instructseq_training import marking_fit, outlining_fit
from instructseq_training.evaluation.boxes import box_iou, exact_set_accuracy
from instructseq_training.evaluation.calibration import expected_calibration_error
from instructseq_training.evaluation.cases import Case, scene_cases
from instructseq_training.evaluation.masks import overall_iou
from instructseq_training.instructions import load_instruction_set

PIXEL_STEP = 3
"""Every third row and column of a map is enough: neighbours say the same."""
BIN_LEAST = 20
MOST_BINS = 100
SEVERAL = 4
"""Samples of the answers that the curves for several samples are fitted on."""
EXPRESSIONS = 8
"""Of a frame: few mean nothing, and the threshold for that is set by them."""
NOTHING_LEAST = 5
"""Expressions that mean nothing, below which no threshold is set."""
WEIGHED = "segmentation weighed"
"""Pixels of masks whose probabilities were fitted and need no curve."""

Pairs = tuple[NDArray[np.float64], NDArray[np.bool_]]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One answer of the model, and what the truth says about it.

    Attributes:
        task: what was answered.
        pairs: name of the curve, certainties, whether each was right.
        absence: the model's own probability that nothing is meant; None where the task refers to nothing.
        worth: of the answer as it is, in [0, 1]: a mask's IoU, whether all boxes are right; an empty one where nothing
            is meant has 1.
        means_nothing: whether nothing is meant.
        marked: of a mask, what it was read from and the pixels that are meant; None without grounding.
        boxed: of boxes, what they were read from and the true ones; None without grounding.
    """

    task: Task
    pairs: tuple[tuple[str, ArrayLike, ArrayLike], ...]
    absence: float | None = None
    worth: float = 0.0
    means_nothing: bool = False
    marked: marking_fit.Known | None = None
    boxed: outlining_fit.Known | None = None


def calibrate(checkpoint: Path, *, scenes: Path, frames: int, split: str = "val") -> dict[str, float]:
    """Fit a checkpoint's calibration and put it into its folder.

    Args:
        checkpoint: its folder.
        scenes: folder of scene shards that neither training nor evaluation uses.
        frames: of the split, spread evenly over the shards.
        split: of the scenes.

    Returns:
        The expected calibration error of each curve on these very frames, before and after, and of the pixels of
        weighed masks.

    Raises:
        ConfigError: no answer could be used.
        CheckpointError: the folder is no checkpoint.
    """
    phrasings = load_instruction_set("train")
    cases = scene_cases(scenes, split, frames=frames, phrasings=phrasings, expressions=EXPRESSIONS)
    perceiver = Perceiver.load(checkpoint)
    perceiver.model.calibration = Calibration()
    errors: dict[str, float] = {}
    fitted: list[dict[str, Curve]] = []
    absence: dict[str, Absence] = {}
    marking: dict[str, Marking] = {}
    outlining: dict[str, Outlining] = {}
    for samples, name in ((1, "single"), (SEVERAL, "several")):
        answers = collect(perceiver, cases, samples=samples)
        meant = [one for one in answers if not one.means_nothing]
        weighed = marking_fit.fit_marking([one.marked for one in meant if one.marked is not None])
        if weighed is not None:
            marking[name] = weighed
            answers = [weighed_anew(one, weighed) for one in answers]
        outlined = outlining_fit.fit_outlining([one.boxed for one in meant if one.boxed is not None])
        if outlined is not None:
            outlining[name] = outlined
            answers = [outlined_anew(one, outlined) for one in answers]
        # Whether anything is meant is read before the first token, so it is the same for any number of samples.
        absence = absence or fit_absences(answers)
        held = joined(answer for answer in answers if not _is_nothing(answer, absence))
        if WEIGHED in held:
            errors[f"{name} {WEIGHED}"] = expected_calibration_error(*held.pop(WEIGHED))
        curves = {of: fit_curve(*pairs) for of, pairs in held.items() if len(pairs[0]) >= 2 * BIN_LEAST}
        for of, curve in curves.items():
            said, right = held[of]
            errors[f"{name} {of} before"] = expected_calibration_error(said, right)
            errors[f"{name} {of} after"] = expected_calibration_error(curve(said), right)
        fitted.append(curves)
    if not any(fitted):
        raise ConfigError(f"the checkpoint answered too little on {frames} frames to be calibrated; give more --frames")
    save_calibration(
        checkpoint,
        Calibration(single=fitted[0], several=fitted[1], absence=absence, marking=marking, outlining=outlining),
    )
    for name in sorted(marking.keys() | outlining.keys()):
        Console().print(f"{name}: {marking.get(name)}, {outlining.get(name)}")
    for of, one in absence.items():
        Console().print(f"nothing is there, {of}: from a probability of {one.threshold:.3f} on")
    for label, value in errors.items():
        Console().print(f"ECE {label}: {value:.3f}")
    return errors


def collect(perceiver: Perceiver, cases: Sequence[Case], *, samples: int) -> list[Judged]:
    """What the model says of its certainty and whether it was right; captions are left out."""
    found = []
    for case in track(cases, description=f"{samples} samples"):
        if case.task is Task.CAPTION:
            continue
        try:
            perception = perceiver(case.image, case.instruction, samples=samples, task=case.task)
        except InstructionError:
            continue
        found.append(judged(case, perception))
    return found


def joined(answers: Iterable[Judged]) -> dict[str, Pairs]:
    """Certainties and whether each was right, of all answers, by the names of `CURVES`."""
    said: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    right: dict[str, list[NDArray[np.bool_]]] = defaultdict(list)
    for answer in answers:
        for of, values, correct in answer.pairs:
            said[of].append(np.asarray(values, np.float64))
            right[of].append(np.asarray(correct, bool))
    return {of: (np.concatenate(said[of]), np.concatenate(right[of])) for of in said}


def judged(case: Case, perception: Perception) -> Judged:
    """A perception's certainties, with the truth about them."""
    task = perception.task
    if task is Task.DETECTION and case.boxes is not None:
        given = np.array([box.xyxy for box in perception.boxes], float).reshape(-1, 4)
        hits = (box_iou(given, case.boxes) >= 0.5).any(1) if len(given) and len(case.boxes) else np.zeros(len(given))
        return Judged(
            task=task,
            pairs=(("detection", [box.score for box in perception.boxes], hits),),
            absence=perception.absence,
            worth=exact_set_accuracy([(given, case.boxes)]),
            means_nothing=len(case.boxes) == 0,
            boxed=(perception.evidence, case.boxes) if isinstance(perception.evidence, BoxEvidence) else None,
        )
    if task is Task.SEGMENTATION and case.mask is not None and perception.mask is not None:
        overlap = overall_iou([(perception.mask.astype(bool), case.mask)])
        return Judged(
            task=task,
            pairs=tuple(_of_pixels(case, perception, overlap)),
            absence=perception.absence,
            worth=overlap,
            means_nothing=not case.mask.any(),
            marked=(perception.evidence, case.mask) if isinstance(perception.evidence, Evidence) else None,
        )
    return Judged(task=task, pairs=tuple(_of_pixels(case, perception, 0.0)))


def weighed_anew(answer: Judged, marking: Marking) -> Judged:
    """The same answer with its mask weighed so; an answer that has no mask as it is."""
    if answer.marked is None:
        return answer
    evidence, truth = answer.marked
    mask, confidence, expected = marking.marks(evidence)
    overlap = overall_iou([(mask, truth)])
    grid = np.s_[::PIXEL_STEP, ::PIXEL_STEP]
    pairs: list[tuple[str, ArrayLike, ArrayLike]] = [
        (WEIGHED, confidence[grid].ravel(), (mask == truth)[grid].ravel()),
    ]
    if mask.any():
        pairs.append(("segmentation_score", [expected], [overlap >= 0.5]))
    return replace(answer, pairs=tuple(pairs), worth=overlap)


def outlined_anew(answer: Judged, outlining: Outlining) -> Judged:
    """The same answer with its boxes outlined so; an answer that has none as it is."""
    if answer.boxed is None:
        return answer
    evidence, truth = answer.boxed
    boxes = outlining.outlined(evidence)
    placed = evidence.placement.boxes_to_source(boxes) if len(boxes) else boxes
    return replace(
        answer,
        pairs=(("detection", evidence.said, outlining_fit.hits(boxes, evidence, truth)),),
        worth=exact_set_accuracy([(placed, truth)]),
    )


def _of_pixels(case: Case, perception: Perception, overlap: float) -> Iterator[tuple[str, ArrayLike, ArrayLike]]:
    """Of a map's pixels; of a mask as a whole too."""
    grid = np.s_[::PIXEL_STEP, ::PIXEL_STEP]
    if perception.mask is None or perception.confidence is None:
        return
    confidence = perception.confidence[grid].ravel()
    if perception.task is Task.SEMANTIC and case.classes is not None and perception.label_set is not None:
        true = case.classes[grid].ravel()
        labelled = true < len(perception.label_set.names)
        yield "semantic", confidence[labelled], (perception.mask[grid].ravel() == true)[labelled]
    if perception.task is Task.SEGMENTATION and case.mask is not None:
        mask = perception.mask.astype(bool)
        yield "segmentation", confidence, (mask == case.mask)[grid].ravel()
        if mask.any():
            yield "segmentation_score", [perception.score], [overlap >= 0.5]


def fit_absences(answers: Sequence[Judged]) -> dict[str, Absence]:
    """For masks and boxes, when "nothing is there" is the better answer; without those of which too few are known."""
    fitted = {}
    for task in (Task.SEGMENTATION, Task.DETECTION):
        known = [answer for answer in answers if answer.task is task and answer.absence is not None]
        nothing = np.array([answer.means_nothing for answer in known], bool)
        if len(known) < 2 * BIN_LEAST or nothing.sum() < NOTHING_LEAST:
            continue
        said = np.array([answer.absence for answer in known], float)
        threshold = best_threshold(said, np.array([answer.worth for answer in known]), nothing)
        if threshold is not None:
            fitted[task.value] = Absence(threshold=threshold, curve=fit_curve(said, nothing))
    return fitted


def best_threshold(said: NDArray[np.float64], worth: NDArray[np.float64], nothing: NDArray[np.bool_]) -> float | None:
    """From which probability on "nothing is there" makes the answers worth most on average; None if from none.

    An answer of nothing is worth 1 where nothing is meant and 0 elsewhere, as in gRefCOCO's gIoU of masks, and as in
    its share of boxes that are all right.

    Args:
        said: N probabilities that nothing is meant.
        worth: N, of the answers as they are, in [0, 1].
        nothing: N, whether nothing is meant.
    """
    order = np.argsort(-said, kind="stable")
    falling, gain = said[order], (nothing - worth)[order].cumsum()
    gain[:-1][falling[:-1] == falling[1:]] = -np.inf  # equal probabilities go together
    best = int(gain.argmax())
    if gain[best] <= 0 or falling[best] <= 0:
        return None
    after = falling[best + 1] if best + 1 < len(falling) else 0.0
    return float((falling[best] + after) / 2)


def _is_nothing(answer: Judged, absence: Mapping[str, Absence]) -> bool:
    if answer.absence is None:
        return False
    return Calibration(absence=absence).is_nothing(answer.absence, of=answer.task.value)


def fit_curve(said: NDArray[np.float64], right: NDArray[np.bool_]) -> Curve:
    """The rising curve that fits best, by least squares over bins of equally many answers.

    Args:
        said: N certainties in [0, 1].
        right: N, whether each was right.
    """
    order = np.argsort(said, kind="stable")
    bins = np.array_split(order, max(1, min(MOST_BINS, len(order) // BIN_LEAST)))
    middles = np.array([said[one].mean() for one in bins])
    shares = np.array([right[one].mean() for one in bins])
    weights = np.array([len(one) for one in bins], float)
    steady = isotonic_regression(shares, weights=weights).x.clip(0.0, 1.0)
    # Equal certainties can fill several bins: one knot each, the weighted mean of theirs.
    values, places = np.unique(middles.round(6), return_inverse=True)
    sums = np.bincount(places, weights=weights * steady) / np.bincount(places, weights=weights)
    return Curve(said=tuple(values.tolist()), right=tuple(np.maximum.accumulate(sums).round(6).tolist()))
