"""Fitting a checkpoint's calibration on scenes that it was not trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.console import Console
from rich.progress import track
from scipy.optimize import isotonic_regression

from instructseq_model.calibration import Calibration, Curve
from instructseq_model.checkpoint import save_calibration
from instructseq_model.errors import ConfigError, InstructionError
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Perception, Task
from instructseq_training.evaluation.boxes import box_iou
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

Pairs = tuple[NDArray[np.float64], NDArray[np.bool_]]


def calibrate(checkpoint: Path, *, scenes: Path, frames: int, split: str = "val") -> dict[str, float]:
    """Fit a checkpoint's calibration and put it into its folder.

    Args:
        checkpoint: its folder.
        scenes: folder of scene shards that neither training nor evaluation uses.
        frames: of the split, spread evenly over the shards.
        split: of the scenes.

    Returns:
        The expected calibration error of each curve on these very frames, before and after.

    Raises:
        ConfigError: no answer could be used.
        CheckpointError: the folder is no checkpoint.
    """
    cases = scene_cases(scenes, split, frames=frames, phrasings=load_instruction_set("train"))
    perceiver = Perceiver.load(checkpoint)
    perceiver.model.calibration = Calibration()
    errors: dict[str, float] = {}
    fitted: list[dict[str, Curve]] = []
    for samples, name in ((1, "single"), (SEVERAL, "several")):
        held = collect(perceiver, cases, samples=samples)
        curves = {of: fit_curve(*pairs) for of, pairs in held.items() if len(pairs[0]) >= 2 * BIN_LEAST}
        for of, curve in curves.items():
            said, right = held[of]
            errors[f"{name} {of} before"] = expected_calibration_error(said, right)
            errors[f"{name} {of} after"] = expected_calibration_error(curve(said), right)
        fitted.append(curves)
    if not any(fitted):
        raise ConfigError(f"the checkpoint answered too little on {frames} frames to be calibrated; give more --frames")
    save_calibration(checkpoint, Calibration(single=fitted[0], several=fitted[1]))
    for label, value in errors.items():
        Console().print(f"ECE {label}: {value:.3f}")
    return errors


def collect(perceiver: Perceiver, cases: Sequence[Case], *, samples: int) -> dict[str, Pairs]:
    """What the model says of its certainty and whether it was right, by the names of `CURVES`."""
    said: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    right: dict[str, list[NDArray[np.bool_]]] = defaultdict(list)
    for case in track(cases, description=f"{samples} samples"):
        if case.task is Task.CAPTION:
            continue
        try:
            perception = perceiver(case.image, case.instruction, samples=samples, task=case.task)
        except InstructionError:
            continue
        for of, values, correct in judged(case, perception):
            said[of].append(np.asarray(values, np.float64))
            right[of].append(np.asarray(correct, bool))
    return {of: (np.concatenate(said[of]), np.concatenate(right[of])) for of in said}


def judged(case: Case, perception: Perception) -> Iterator[tuple[str, ArrayLike, ArrayLike]]:
    """A perception's certainties with the truth about them: name of the curve, values, whether each was right."""
    grid = np.s_[::PIXEL_STEP, ::PIXEL_STEP]
    if perception.task is Task.DETECTION and case.boxes is not None:
        given = np.array([box.xyxy for box in perception.boxes], float).reshape(-1, 4)
        hits = (box_iou(given, case.boxes) >= 0.5).any(1) if len(given) and len(case.boxes) else np.zeros(len(given))
        yield "detection", [box.score for box in perception.boxes], hits
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
            yield "segmentation_score", [perception.score], [overall_iou([(mask, case.mask)]) >= 0.5]


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
