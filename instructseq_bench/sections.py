"""The sections by name; each is imported when it is measured."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator

from instructseq_bench.rows import Row
from instructseq_bench.setting import Setting
from instructseq_model.errors import ConfigError

Section = Callable[[Setting], Iterator[Row]]

SECTIONS: dict[str, tuple[str, str]] = {
    "paper": ("instructseq_bench.paper", "measure_paper"),
    "maps": ("instructseq_bench.maps", "measure_maps"),
    "tasks": ("instructseq_bench.tasks", "measure_tasks"),
    "startup": ("instructseq_bench.startup", "measure_startup"),
    "node": ("instructseq_bench.node.section", "measure_node"),
    "growth": ("instructseq_bench.growth", "measure_growth"),
}
"""Module and function of each, in the order in which they are measured."""


def chosen_sections(only: list[str] | None) -> list[str]:
    """The names wanted, in the sections' own order; all for None.

    Raises:
        ConfigError: there is no such section.
    """
    for name in only or []:
        if name not in SECTIONS:
            raise ConfigError(f"there is no section {name!r}: name one of {', '.join(SECTIONS)}")
    return [name for name in SECTIONS if not only or name in only]


def section(name: str) -> Section:
    """The function that measures a section."""
    module, function = SECTIONS[name]
    found: Section = getattr(importlib.import_module(module), function)
    return found
