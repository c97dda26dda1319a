"""Which dataset and task each training sample is of (paper, section 4.1), read from YAML.

The draw of number n depends on the seed and n only, so a resumed run, or another number of workers, sees what an
unbroken one would have seen. Shares are exact in every block of `BLOCK` draws, and every record of a component comes
once before any comes twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task
from instructseq_training.datasets.table import dataset

BLOCK = 3600
"""Draws within which the shares are exact, to one part in so many; the paper's weights (in ninetieths) divide it."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """One dataset asked for one task.

    Attributes:
        dataset: its name.
        task: one that it has.
        weight: above 0; only proportions count.
    """

    dataset: str
    task: Task
    weight: float


@dataclass(frozen=True)
class Mixture:
    """Components with their shares; at least one."""

    components: tuple[Component, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """The weights, normalised to a sum of 1."""
        total = sum(component.weight for component in self.components)
        return tuple(component.weight / total for component in self.components)

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of all datasets, each once."""
        return tuple(dict.fromkeys(component.dataset for component in self.components))


@dataclass(frozen=True)
class Place:
    """One draw: which component, and which of its records."""

    component: int
    record: int


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The order of draws.

    Attributes:
        mixture: whose shares to keep.
        sizes: records of each component.
        seed: decides the order.
    """

    mixture: Mixture
    sizes: tuple[int, ...]
    seed: int

    def __post_init__(self) -> None:
        """Refuse empty components, and shares that a block cannot hold."""
        for component, size, count in zip(self.mixture.components, self.sizes, self.block_counts, strict=True):
            if size < 1:
                raise ConfigError(f"{component.dataset} has no records to train on; leave it out of the mixture")
            if count < 1:
                raise ConfigError(
                    f"the share of {component.dataset} for {component.task.value} is below 1 in {BLOCK}; "
                    "raise its weight or leave it out"
                )

    @cached_property
    def _block(self) -> NDArray[np.int64]:
        """Components of a block before it is shuffled."""
        middles = (np.arange(BLOCK) + 0.5) / BLOCK
        ends = np.cumsum(self.mixture.shares)
        return np.minimum(np.searchsorted(ends, middles), len(ends) - 1)

    @cached_property
    def block_counts(self) -> tuple[int, ...]:
        """Draws of each component in a block."""
        return tuple(np.bincount(self._block, minlength=len(self.mixture.components)).tolist())

    def place(self, number: int) -> Place:
        """The draw of a number, from 0."""
        block, offset = divmod(number, BLOCK)
        order, ranks = _shuffled_block(self.seed, block, tuple(self._block.tolist()))
        component = int(order[offset])
        epoch, turn = divmod(block * self.block_counts[component] + int(ranks[offset]), self.sizes[component])
        return Place(component, int(_record_order(self.seed, component, epoch, self.sizes[component])[turn]))


def load_mixture(file: Path) -> Mixture:
    """Read a mixture: a YAML list of mappings with dataset, task and weight.

    Raises:
        ConfigError: no such file, or an entry that is wrong.
        DatasetError: there is no such dataset.
    """
    if not file.is_file():
        raise ConfigError(f"there is no mixture {file}; see config/mixtures")
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(content, list) or not content or not all(isinstance(entry, dict) for entry in content):
        raise ConfigError(f"{file} must be a list of mappings; compare config/mixtures/paper.yaml")
    return Mixture(tuple(_component(entry, file) for entry in content))


def _component(entry: Mapping[str, object], file: Path) -> Component:
    if set(entry) != {"dataset", "task", "weight"}:
        raise ConfigError(f"{file}: {dict(entry)} must have exactly the keys dataset, task and weight")
    name, task, weight = str(entry["dataset"]), entry["task"], entry["weight"]
    tasks: Sequence[Task] = dataset(name).tasks
    if task not in [known.value for known in tasks]:
        raise ConfigError(f"{file}: {name} has no task {task!r}; choose {' or '.join(known.value for known in tasks)}")
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < float("inf"):
        raise ConfigError(f"{file}: the weight of {name} is {weight!r}; it must be a number above 0")
    return Component(dataset=name, task=Task(task), weight=float(weight))


@lru_cache(maxsize=8)
def _shuffled_block(seed: int, block: int, held: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The components of a block in order, and for each draw how many of its component came before it."""
    order = np.random.default_rng((seed, 0, block)).permutation(np.array(held))
    ranks = np.empty_like(order)
    for component in np.unique(order):
        places = np.flatnonzero(order == component)
        ranks[places] = np.arange(len(places))
    return order, ranks


@lru_cache(maxsize=64)
def _record_order(seed: int, component: int, epoch: int, size: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, 1, component, epoch)).permutation(size)
