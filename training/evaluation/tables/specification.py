"""What a table measures: its rows, read from config/tables, each with the paper's number beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task
from instructseq_training.config import from_mapping
from instructseq_training.evaluation.caption_measures import CAPTION_MEASURES
from instructseq_training.evaluation.measures import MEASURES, Measure

TABLES_DIR = Path(__file__).resolve().parents[3] / "config" / "tables"
TABLE_NUMBERS = (1, 2, 3, 4, 5, 6)
ALL_MEASURES: Mapping[str, Measure] = {**MEASURES, **CAPTION_MEASURES}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One number of a table.

    Attributes:
        dataset: where the cases come from, as the suite calls it.
        split: which part of it.
        task: what is asked.
        metric: a name of `measures.MEASURES` or `caption_measures.CAPTION_MEASURES`.
        model: the variant that is asked; see config/tables/variants.yaml.
        wording: an instruction set of config/instructions, or one phrasing with {object}.
        samples: sequences drawn and aggregated; None for what the caller says.
        temperature: of sampling; None for the `Perceiver`'s default.
        condition: what the row varies, in the words of config/tables/paper.yaml; None for nothing.
        paper_dataset: the dataset of the paper's number beside it; None for no such number.
        paper_method: the method of that number.
    """

    dataset: str
    split: str
    task: Task
    metric: str
    model: str = "default"
    wording: str = "train"
    samples: int | None = None
    temperature: float | None = None
    condition: str | None = None
    paper_dataset: str | None = None
    paper_method: str = "InstructSeq"

    @property
    def measure(self) -> Measure:
        """How it is measured."""
        return ALL_MEASURES[self.metric]


@dataclass(frozen=True, kw_only=True)
class PaperNumber:
    """One number that the paper prints, in percent."""

    table: int
    method: str
    dataset: str
    task: Task
    metric: str
    value: float
    condition: str | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table on one suite.

    Attributes:
        number: the paper's, 1 to 6.
        title: what it compares.
        rows: its numbers.
        paper: the paper's number beside each row, None where it prints none.
    """

    number: int
    title: str
    rows: tuple[Row, ...]
    paper: tuple[PaperNumber | None, ...]


def load_table(number: int, *, suite: str, given: Collection[str] = ("default",), folder: Path = TABLES_DIR) -> Table:
    """A table's specification.

    Args:
        number: 1 to 6.
        suite: name of the suite that it is measured on.
        given: names of the models at hand; a table that compares models freely gets rows for names it does not know.
        folder: where the files lie.

    Raises:
        ConfigError: there is no such table, the suite has no rows in it, or the file is wrong; the message says which.
    """
    file = folder / f"table-{number}.yaml"
    if not file.is_file():
        raise ConfigError(f"there is no table {number}: give one of {', '.join(map(str, TABLE_NUMBERS))}")
    content = _mapping(file)
    if suite not in content["rows"]:
        raise ConfigError(f"{file.name} has no rows for the suite {suite!r}; it has {', '.join(content['rows'])}")
    each: list[Mapping[str, Any]] = content.get("each", {}).get(suite, [{}])
    if content.get("other_models") == "rows":
        each = each + [{"model": name} for name in given if name not in variants(folder)]
    rows = tuple(_row({**row, **varied}, file) for varied in each for row in content["rows"][suite])
    numbers = paper_numbers(folder)
    paper = tuple(_beside(row, number, numbers) for row in rows)
    return Table(number=number, title=content["title"], rows=rows, paper=paper)


def paper_numbers(folder: Path = TABLES_DIR) -> tuple[PaperNumber, ...]:
    """Every number that the paper prints in its tables.

    Raises:
        ConfigError: the file is missing or wrong.
    """
    file = folder / "paper.yaml"
    return tuple(
        from_mapping(PaperNumber, {**entry, "task": _task(entry, file)}, origin=file.name)
        for entry in _mapping(file)["numbers"]
    )


def variants(folder: Path = TABLES_DIR) -> Mapping[str, Mapping[str, str]]:
    """The models that tables compare, each with how it comes about, by suite.

    Raises:
        ConfigError: the file is missing or wrong.
    """
    return _mapping(folder / "variants.yaml")


def _row(values: Mapping[str, Any], file: Path) -> Row:
    row = from_mapping(Row, {**values, "task": _task(values, file)}, origin=file.name)
    if row.metric not in ALL_MEASURES or row.task not in row.measure.tasks:
        fitting = [name for name, one in ALL_MEASURES.items() if row.task in one.tasks]
        raise ConfigError(
            f"{file.name}: {row.metric!r} is no metric of {row.task.value}; there are {', '.join(fitting)}"
        )
    return row


def _task(values: Mapping[str, Any], file: Path) -> Task:
    try:
        return Task(values.get("task"))
    except ValueError:
        known = ", ".join(task.value for task in Task)
        raise ConfigError(f"{file.name}: there is no task {values.get('task')!r}; give one of {known}") from None


def _beside(row: Row, table: int, numbers: tuple[PaperNumber, ...]) -> PaperNumber | None:
    wanted = (table, row.paper_method, row.paper_dataset, row.task, row.condition)
    found = [n for n in numbers if (n.table, n.method, n.dataset, n.task, n.condition) == wanted]
    return found[0] if found else None


def _mapping(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ConfigError(f"{file} is missing; run from a full checkout of the repository")
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ConfigError(f"{file} must hold a mapping; compare the files beside it")
    return content
