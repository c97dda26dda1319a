"""From a suite's cases and a model's answers to the numbers of a row."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from instructseq_model.errors import ConfigError, InstructSeqError
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Task
from instructseq_training.evaluation.answers import Answer, ask
from instructseq_training.evaluation.bootstrap import bootstrap_interval
from instructseq_training.evaluation.caption_measures import CAPTION_MEASURES, NEEDS_JAVA, WITHOUT_INTERVAL
from instructseq_training.evaluation.cases import Case
from instructseq_training.evaluation.java import JAVA_MISSING, has_java
from instructseq_training.evaluation.processes import Team
from instructseq_training.evaluation.tables.question import Question, Suite
from instructseq_training.evaluation.tables.specification import ALL_MEASURES


class NotAskableError(ConfigError):
    """A question cannot be put: its data are missing, or the model was not made for it. The message says which."""


@dataclass(frozen=True)
class Asking:
    """A question put to a model in one way.

    Attributes:
        model: the variant's name.
        question: what is asked.
        samples: sequences drawn and aggregated.
        temperature: of sampling; None for the `Perceiver`'s default.
    """

    model: str
    question: Question
    samples: int
    temperature: float | None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What came out of asking.

    Attributes:
        images: of each case.
        rows: by metric, what each case gave; see `measures.Measure.of_case`.
        first: the first case that was taken for what it is, with its answer; of this process.
    """

    images: list[str]
    rows: Mapping[str, list[Any]]
    first: tuple[Case, Answer] | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number.

    Attributes:
        value: in [0, 1] (CIDEr in [0, 10]); None if no case allows it.
        count: cases behind it.
        interval: its 95 % interval, None where there is none.
        note: what a reader must know of it, or "".
    """

    value: float | None
    count: int
    interval: tuple[float, float] | None = None
    note: str = ""


def measure(
    perceiver: Perceiver,
    suite: Suite,
    asking: Asking,
    metrics: Collection[str],
    *,
    frames: int | None,
    team: Team,
) -> Measured:
    """Ask the model every case of a question; each process of the team asks its share, and all get all of it.

    Raises:
        NotAskableError: the dataset is not there, or the model does not know its label set; in every process alike.
    """
    cases = _opened(suite.cases(asking.question, frames=frames), perceiver)
    wanted = sorted(metrics)
    title = f"{asking.model}: {asking.question.dataset} {asking.question.task.value} N={asking.samples}"
    own: list[Any] = []
    first = None
    console = Console(stderr=True)
    silent = not (team.is_first and console.is_terminal)
    for number, case in track(team.share(cases), description=title, console=console, disable=silent, transient=True):
        answer = ask(perceiver, case, samples=asking.samples, temperature=asking.temperature)
        if first is None and answer.task is case.task:
            first = (case, answer)
        own.append([number, case.image_key, [ALL_MEASURES[name].of_case(case, answer) for name in wanted]])
    every = sorted(team.gather(own), key=lambda row: row[0])
    rows = {name: [row[2][place] for row in every] for place, name in enumerate(wanted)}
    return Measured(images=[row[1] for row in every], rows=rows, first=first)


def _opened(cases: Iterator[Case], perceiver: Perceiver) -> Iterator[Case]:
    """The same cases, the first one looked at: what is wrong with all of them shows there."""
    try:
        start = next(cases, None)
    except InstructSeqError as error:
        raise NotAskableError(str(error)) from error
    if start is None:
        return iter(())
    known = perceiver.model.config.label_sets
    if start.task is Task.SEMANTIC and start.label_set not in known:
        raise NotAskableError(
            f"this checkpoint was trained on {', '.join(known)}, not on {start.label_set}: give one that was"
        )
    return chain([start], cases)


def score(measured: Measured, metric: str) -> Score:
    """The number that a metric gives, with its interval over images."""
    if metric in NEEDS_JAVA and not has_java():
        return Score(value=None, count=0, note=JAVA_MISSING)
    counted = [place for place, row in enumerate(measured.rows[metric]) if row is not None]
    if not counted:
        return Score(value=None, count=0, note="no case of this sort among the images taken")
    statistics = statistics_of(measured, metric)
    how = ALL_MEASURES[metric]
    value = float(how.score(statistics.sum(0)))
    images = [measured.images[place] for place in counted]
    interval = None if metric in WITHOUT_INTERVAL else bootstrap_interval(statistics, images, how.score)
    note = JAVA_MISSING if metric in CAPTION_MEASURES and not has_java() else ""
    return Score(value=None if math.isnan(value) else value, count=len(counted), interval=interval, note=note)


def statistics_of(measured: Measured, metric: str) -> NDArray[np.float64]:
    """What each case that a metric is about adds to its sums: N x D."""
    return ALL_MEASURES[metric].statistics([row for row in measured.rows[metric] if row is not None])
