"""A node in a process of its own, with the shipped checkpoint or a small one, on a domain of its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

STAND_IN = Path(__file__).with_name("stand_in_node.py")


@pytest.fixture
def own_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine only, and room for raw images."""
    from instructseq_ros.local_environment import prepare_environment

    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + os.getpid() % 101))
    prepare_environment()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    from instructseq_model.checkpoint_folders import DEFAULT, checkpoint_roots

    from ..instructseq_ros.test_end_to_end import untrained

    shipped = [root / DEFAULT for root in checkpoint_roots() if (root / DEFAULT / "manifest.json").is_file()]
    return shipped[0] if shipped else untrained(tmp_path / "untrained")


@pytest.fixture
def make_node(own_domain: None, tmp_path: Path, checkpoint: Path) -> Iterator[Callable[..., Any]]:
    """Makes a program that is not started yet; parameters by name."""
    from .program import NodeProgram

    with contextlib.ExitStack() as stack:

        def make(**parameters: Any) -> NodeProgram:
            common = {"checkpoint": str(checkpoint), "threads": 1, "diagnostics_period": 0.5}
            program = NodeProgram(tmp_path, {**common, **parameters})
            stack.callback(program.close)
            return program

        yield make


@pytest.fixture
def make_stand_in(own_domain: None, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """The same with a stand-in for the model, which answers at once."""
    from .program import NodeProgram

    with contextlib.ExitStack() as stack:

        def make(**parameters: Any) -> NodeProgram:
            program = NodeProgram(tmp_path, {"diagnostics_period": 0.5, **parameters}, program=[str(STAND_IN)])
            stack.callback(program.close)
            return program

        yield make


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Shows measured numbers (pytest -s) and keeps them with the test's result (--junit-xml)."""

    def show(**numbers: object) -> None:
        for name, value in numbers.items():
            text = f"{value:.3g}" if isinstance(value, float) else str(value)
            print(f"\n  {name.replace('_', ' ')}: {text}", end="", flush=True)
            record_property(name, value)

    return show
