"""Calibration: from what a model says of its certainty to how often it is right.

Token probabilities order answers well and mean little as numbers: a map's probability spreads over interchangeable
codes, and a model trained for an hour is surer than it should be. A rising curve a kind of answer, fitted on answers
whose truth is known (isotonic regression; Zadrozny and Elkan 2002), turns them into shares of right answers.

Of the probability that nothing is meant it also says from which one on that is the better answer; of masks, how what
was painted and what was pointed at are weighed (`marking`), which gives probabilities that need no curve; of boxes,
from where on places belong to what is pointed at (`outlining`); and of maps of classes, how much a painted class counts
beside those that the grounding reads (`classing`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from instructseq_model.classing import Classing
from instructseq_model.errors import CheckpointError
from instructseq_model.marking import Marking
from instructseq_model.outlining import Outlining

Floating = TypeVar("Floating", bound=np.floating)

CURVES = ("semantic", "segmentation", "segmentation_score", "detection")
"""What is calibrated: pixels of class maps, pixels of masks, masks as wholes (IoU of 0.5 or more with what was meant),
boxes (likewise)."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A rising, piecewise linear curve from [0, 1] to [0, 1]; constant beyond its ends.

    Attributes:
        said: what the model says, rising.
        right: how often it is then right, never falling.

    Raises:
        CheckpointError: the numbers make no such curve.
    """

    said: tuple[float, ...]
    right: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.said, self.said[1:], strict=False))
        steady = all(a <= b for a, b in zip(self.right, self.right[1:], strict=False))
        within = all(0.0 <= value <= 1.0 for value in self.said + self.right)
        if not self.said or len(self.said) != len(self.right) or not (rising and steady and within):
            raise CheckpointError(
                f"{self!s:.200} is no calibration curve: it needs rising numbers in [0, 1], as many of each"
            )

    def __call__(self, values: NDArray[Floating]) -> NDArray[Floating]:
        """Calibrated values, in the precision that they came in."""
        return np.interp(values, self.said, self.right).astype(values.dtype)


@dataclass(frozen=True, kw_only=True)
class Absence:
    """When "nothing of that sort is there" is the answer.

    Attributes:
        threshold: of the model's own probability that nothing is meant; from it on that is the answer. In (0, 1].
        curve: from that probability to how often nothing is meant.

    Raises:
        CheckpointError: the threshold is no such number.
    """

    threshold: float
    curve: Curve

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold <= 1.0:
            raise CheckpointError(f"{self.threshold!r:.100} is no threshold of a probability: it lies in (0, 1]")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A checkpoint's curves.

    Attributes:
        single: of answers of one sequence, by the names of `CURVES`; what has no curve stays as the model says it.
        several: of answers that aggregate several sampled sequences.
        absence: of masks ("segmentation") and boxes ("detection"); where there is none, the tokens alone decide.
        marking: of masks of one sequence ("single") and of several ("several"); where there is none, a mask is what the
            tokens paint.
        outlining: of boxes, likewise; where there is none, boxes are what the tokens say.
        classing: of maps of classes, likewise.
    """

    single: Mapping[str, Curve] = field(default_factory=dict)
    several: Mapping[str, Curve] = field(default_factory=dict)
    absence: Mapping[str, Absence] = field(default_factory=dict)
    marking: Mapping[str, Marking] = field(default_factory=dict)
    outlining: Mapping[str, Outlining] = field(default_factory=dict)
    classing: Mapping[str, Classing] = field(default_factory=dict)

    def __call__(self, values: NDArray[Floating], *, of: str, samples: int) -> NDArray[Floating]:
        """Values of a kind of answer, calibrated.

        Args:
            values: in [0, 1], any shape.
            of: one of `CURVES`.
            samples: sequences that were aggregated.
        """
        curve = (self.single if samples == 1 else self.several).get(of)
        return values if curve is None else curve(values)

    def marking_of(self, samples: int) -> Marking | None:
        """How masks of so many sequences are weighed."""
        return self.marking.get(_name(samples))

    def outlining_of(self, samples: int) -> Outlining | None:
        """How boxes of so many sequences are outlined."""
        return self.outlining.get(_name(samples))

    def classing_of(self, samples: int) -> Classing | None:
        """How maps of classes of so many sequences are read."""
        return self.classing.get(_name(samples))

    def is_nothing(self, said: float, *, of: str) -> bool:
        """Whether "nothing is there" is the answer, where the model says so with this probability."""
        known = self.absence.get(of)
        return known is not None and said >= known.threshold

    def absence_of(self, said: float, *, of: str) -> float:
        """How often nothing is meant where the model says so with this probability; in [0, 1]."""
        known = self.absence.get(of)
        return said if known is None else float(known.curve(np.array([said]))[0])

    def save(self, file: Path) -> None:
        """Write as JSON."""
        held: dict[str, dict[str, dict[str, Any]]] = {
            name: {of: {"said": list(c.said), "right": list(c.right)} for of, c in curves.items()}
            for name, curves in (("single", self.single), ("several", self.several))
        }
        held["absence"] = {
            of: {"threshold": a.threshold, "said": list(a.curve.said), "right": list(a.curve.right)}
            for of, a in self.absence.items()
        }
        held["marking"] = {name: asdict(one) for name, one in self.marking.items()}
        held["outlining"] = {name: asdict(one) for name, one in self.outlining.items()}
        held["classing"] = {name: asdict(one) for name, one in self.classing.items()}
        file.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


def load_calibration(file: Path) -> Calibration:
    """Read what `Calibration.save` wrote.

    Raises:
        CheckpointError: it is damaged.
    """
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        read = {
            name: {of: Curve(said=tuple(c["said"]), right=tuple(c["right"])) for of, c in held[name].items()}
            for name in ("single", "several")
        }
        absence = {
            of: Absence(threshold=a["threshold"], curve=Curve(said=tuple(a["said"]), right=tuple(a["right"])))
            for of, a in held.get("absence", {}).items()  # older files have none
        }
        marking = {name: Marking(**one) for name, one in held.get("marking", {}).items()}
        outlining = {name: Outlining(**one) for name, one in held.get("outlining", {}).items()}
        classing = {name: Classing(**one) for name, one in held.get("classing", {}).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{file} is no calibration ({error}); fetch the checkpoint again") from error
    return Calibration(
        single=read["single"],
        several=read["several"],
        absence=absence,
        marking=marking,
        outlining=outlining,
        classing=classing,
    )


def _name(samples: int) -> str:
    return "single" if samples == 1 else "several"
