"""Measuring tables: every model is loaded once, every question put to it once, whichever rows need the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from instructseq_model.errors import ConfigError
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Task
from instructseq_training.evaluation.processes import Team, join_team, leave_team
from instructseq_training.evaluation.tables.measuring import Asking, Measured, NotAskableError, Score, measure, score
from instructseq_training.evaluation.tables.plots import draw_plots
from instructseq_training.evaluation.tables.question import Question, Suite
from instructseq_training.evaluation.tables.specification import Row, Table, load_table, variants
from instructseq_training.evaluation.tables.writing import Result, markdown, write_results

PAPER_SAMPLES = 10


@dataclass(frozen=True, kw_only=True)
class TableSettings:
    """How tables are measured.

    Attributes:
        frames: images of each dataset; None for what the suite takes, 0 for all.
        samples: sequences drawn an answer, where a row does not say; the paper's 10.
        device: of the models; "cuda" means each process's own.
    """

    frames: int | None = None
    samples: int = PAPER_SAMPLES
    device: str = "cpu"


def run(
    numbers: Sequence[int], *, suite: Suite, models: Mapping[str, Path], out: Path, settings: TableSettings
) -> dict[int, list[Result]]:
    """Measure tables and write them: out/table-N.json, table-N.md and plots; prints the Markdown.

    Started by torchrun, the processes share the images; only the first one writes and prints.

    Args:
        numbers: of the paper's tables.
        suite: where the cases come from.
        models: checkpoint folders by the names of config/tables/variants.yaml.
        out: folder; made if missing.
        settings: how.

    Returns:
        The results by table; none in the other processes.

    Raises:
        ConfigError: there is no such table, or it has no rows for the suite.
        CheckpointError: a model does not load.
    """
    tables = [load_table(number, suite=suite.name, given=tuple(models)) for number in numbers]
    team = join_team()
    try:
        found = _ask_everything(tables, suite=suite, models=models, settings=settings, team=team)
        results = {table.number: _results(table, suite, found, settings) for table in tables} if team.is_first else {}
        for table in tables if team.is_first else []:
            write_results(table, results[table.number], out)
            draw_plots(table, results[table.number], _measured(table, found, settings), out)
            Console().print(markdown(table, results[table.number]), soft_wrap=True, markup=False, highlight=False)
    finally:
        leave_team(team)
    return results


def _asking(row: Row, settings: TableSettings) -> Asking:
    question = Question(row.dataset, row.split, row.task, row.wording)
    if row.task is Task.CAPTION:  # beam search: samples and temperature do not matter
        return Asking(row.model, question, 1, None)
    return Asking(row.model, question, row.samples or settings.samples, row.temperature)


def _ask_everything(
    tables: Sequence[Table], *, suite: Suite, models: Mapping[str, Path], settings: TableSettings, team: Team
) -> dict[Asking, Measured | str]:
    """Measurements of all rows whose model is given; a text where there is a reason for having none."""
    metrics: dict[Asking, set[str]] = {}
    for row in (row for table in tables for row in table.rows):
        if row.model in models:
            metrics.setdefault(_asking(row, settings), set()).add(row.metric)
    frames = suite.frames if settings.frames is None else settings.frames or None
    device = f"cuda:{team.local_rank}" if settings.device == "cuda" and team.size > 1 else settings.device
    found: dict[Asking, Measured | str] = {}
    for model in dict.fromkeys(asking.model for asking in metrics):
        perceiver = Perceiver.load(models[model], device=device)
        for asking in (one for one in metrics if one.model == model):
            try:
                found[asking] = measure(perceiver, suite, asking, metrics[asking], frames=frames, team=team)
            except NotAskableError as error:
                found[asking] = f"not measured: {error}"
    return found


def _results(
    table: Table, suite: Suite, found: Mapping[Asking, Measured | str], settings: TableSettings
) -> list[Result]:
    results = []
    for row, paper in zip(table.rows, table.paper, strict=True):
        asking = _asking(row, settings)
        measured = found.get(asking)
        if measured is None:
            number = Score(value=None, count=0, note=_not_given(row.model, suite.name))
        elif isinstance(measured, str):
            number = Score(value=None, count=0, note=measured)
        else:
            number = score(measured, row.metric)
        results.append(Result(row=row, samples=asking.samples, paper=paper, score=number))
    return results


def _not_given(model: str, suite: str) -> str:
    how = variants().get(model, {}).get(suite)
    if how is None:
        raise ConfigError(f"config/tables/variants.yaml does not say how the model {model!r} comes about for {suite}")
    return f"not given: train with `{how}`, then --model {model}=FOLDER"


def _measured(
    table: Table, found: Mapping[Asking, Measured | str], settings: TableSettings
) -> list[tuple[Row, Measured]]:
    pairs = ((row, found.get(_asking(row, settings))) for row in table.rows)
    return [(row, measured) for row, measured in pairs if isinstance(measured, Measured)]
