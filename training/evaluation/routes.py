"""Scores of routing: whether the task and the label set were read out of the instruction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from instructseq_model.perception import Task

Route = tuple[Task, str | None]
"""A task and, for semantic maps, the name of the label set."""


@dataclass(frozen=True, kw_only=True)
class RoutingScores:
    """Shares in [0, 1] over many instructions.

    Attributes:
        count: instructions scored.
        task_accuracy: share whose task is right.
        label_set_accuracy: share of the truly semantic ones whose task and label set are right; None without any.
        accuracy: share with everything right: the task and, where it is semantic, the label set.
        mistakes: how often (true, predicted) was confused, for predictions that are wrong.
    """

    count: int
    task_accuracy: float
    label_set_accuracy: float | None
    accuracy: float
    mistakes: Mapping[tuple[Route, Route], int]


def routing_scores(pairs: Iterable[tuple[Route, Route]]) -> RoutingScores:
    """Score predicted routes against true ones.

    Args:
        pairs: (predicted, true). A label set beside another task than semantic is not looked at.

    Raises:
        ValueError: there is no pair.
    """
    routes = [(_plain(predicted), _plain(true)) for predicted, true in pairs]
    if not routes:
        raise ValueError("there is nothing to score: give at least one pair of routes")
    semantic = [predicted == true for predicted, true in routes if true[0] == Task.SEMANTIC]
    mistakes = Counter((true, predicted) for predicted, true in routes if predicted != true)
    return RoutingScores(
        count=len(routes),
        task_accuracy=sum(predicted[0] == true[0] for predicted, true in routes) / len(routes),
        label_set_accuracy=sum(semantic) / len(semantic) if semantic else None,
        accuracy=sum(predicted == true for predicted, true in routes) / len(routes),
        mistakes=MappingProxyType(dict(mistakes)),
    )


def _plain(route: Route) -> Route:
    task, label_set = route
    return (Task(task), label_set if task == Task.SEMANTIC else None)
