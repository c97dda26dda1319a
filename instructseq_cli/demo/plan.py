"""Which instructions the demo gives on which input, from a YAML file that anybody can change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One instruction.

    Attributes:
        text: what is said to the node.
        task: what a listener would understand by it; the node is not told.
        targets: the objects meant, for a mask or boxes: names ("mug"), or colours and names ("red mug").
    """

    text: str
    task: Task
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Act:
    """One input with its instructions.

    Attributes:
        name: short name, for files and keys.
        title: for the report.
        bag: the bag's folder, or None for the photograph.
        asks: the instructions, in order.
    """

    name: str
    title: str
    bag: Path | None
    asks: tuple[Ask, ...]


def read_plan(path: Path) -> tuple[Act, ...]:
    """Read a plan; paths in it are relative to the file.

    Raises:
        ConfigError: the file is missing or not as `demo/plan.yaml` shows it.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return tuple(_act(name, entry, path.parent) for name, entry in content.items())
    except FileNotFoundError:
        raise ConfigError(f"there is no plan {path}: name a file like demo/plan.yaml") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(f"{path} is not a plan ({error!r}): compare it with demo/plan.yaml") from None


def _act(name: str, entry: dict[str, Any], folder: Path) -> Act:
    asks = tuple(
        Ask(text=str(ask["say"]), task=Task(ask["task"]), targets=tuple(ask.get("targets", ())))
        for ask in entry["asks"]
    )
    bag = folder / entry["bag"] if entry.get("bag") else None
    return Act(name=name, title=str(entry["title"]), bag=bag, asks=asks)
