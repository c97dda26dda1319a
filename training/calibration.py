"""Fitting a checkpoint's calibration on scenes that it was not trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from scipy.optimize import isotonic_regression

from instructseq_model.calibration import Absence, Calibration, Curve
from instructseq_model.checkpoint import save_calibration
from instructseq_model.classing import Classing
from instructseq_model.errors import ConfigError, InstructionError
from instructseq_model.marking import Marking
from instructseq_model.outlining import Outlining
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Task
from instructseq_training import classing_fit, marking_fit, outlining_fit
from instructseq_training.evaluation.calibration import expected_calibration_error
from instructseq_training.evaluation.cases import Case, scene_cases
from instructseq_training.instructions import load_instruction_set
from instructseq_training.judging import WEIGHED, Judged, classed_anew, judged, outlined_anew, weighed_anew

BIN_LEAST = 20
MOST_BINS = 100
SEVERAL = 4
"""Samples of the answers that the curves for several samples are fitted on."""
EXPRESSIONS = 8
"""Of a frame: few mean nothing, and the threshold for that is set by them."""
NOTHING_LEAST = 5
"""Expressions that mean nothing, below which no threshold is set."""
Pairs = tuple[NDArray[np.float64], NDArray[np.bool_]]


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
    readings: dict[str, Readings] = {}
    for samples, name in ((1, "single"), (SEVERAL, "several")):
        readings[name], answers = read_better(collect(perceiver, cases, samples=samples))
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
    kept = Calibration(
        single=fitted[0],
        several=fitted[1],
        absence=absence,
        marking={name: one.marking for name, one in readings.items() if one.marking is not None},
        outlining={name: one.outlining for name, one in readings.items() if one.outlining is not None},
        classing={name: one.classing for name, one in readings.items() if one.classing is not None},
    )
    save_calibration(checkpoint, kept)
    for name, found in readings.items():
        Console().print(f"{name}: {found}")
    for of, one in absence.items():
        Console().print(f"nothing is there, {of}: from a probability of {one.threshold:.3f} on")
    for label, value in errors.items():
        Console().print(f"ECE {label}: {value:.3f}")
    return errors


@dataclass(frozen=True, kw_only=True)
class Readings:
    """How answers are read from their evidence; None where they are best read from their tokens alone."""

    marking: Marking | None
    outlining: Outlining | None
    classing: Classing | None


def read_better(answers: Sequence[Judged]) -> tuple[Readings, list[Judged]]:
    """The readings that fit answers best, and the answers read so."""
    meant = [one for one in answers if not one.means_nothing]
    marking = marking_fit.fit_marking([one.marked for one in meant if one.marked is not None])
    outlining = outlining_fit.fit_outlining([one.boxed for one in meant if one.boxed is not None])
    classing = classing_fit.fit_classing([one.classed for one in answers if one.classed is not None])
    read = list(answers)
    if marking is not None:
        read = [weighed_anew(one, marking) for one in read]
    if outlining is not None:
        read = [outlined_anew(one, outlining) for one in read]
    if classing is not None:
        read = [classed_anew(one, classing) for one in read]
    return Readings(marking=marking, outlining=outlining, classing=classing), read


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
