"""The same losses whatever the number of processes, their parts and the place of their weights; whole processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from instructseq_model.errors import ConfigError
from instructseq_training.config import ExecutionConfig
from instructseq_training.parallel import Processes, join, piece
from instructseq_training.states import newest_state

from .tiny_run import BATCH, STEPS, tiny_trainer

SCRIPT = Path(__file__).with_name("tiny_run.py")
ALONE = ExecutionConfig(precision="fp32")
NAMES = ("map", "boxes", "text", "kind", "heat", "classes", "norm")

SCENARIOS: dict[str, dict[str, Any]] = {
    "ddp": {"parallel": "ddp"},
    "ddp, one frame at once": {"parallel": "ddp", "frames_at_once": 1, "prefetch": 1},
    "ddp, average in shards": {"parallel": "ddp", "average": "shards", "checkpointing": "blocks"},
    "fsdp2": {"parallel": "fsdp2"},
    "fsdp2, all savings": {
        "parallel": "fsdp2",
        "frames_at_once": 1,
        "average": "shards",
        "checkpointing": "blocks",
    },
}


def environment() -> dict[str, str]:
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(root), *(entry for entry in sys.path if entry)])
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def start(scenarios: list[dict[str, Any]], folder: Path, *, processes: int) -> subprocess.Popen[str]:
    file = folder / "scenarios.json"
    file.write_text(json.dumps(scenarios))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(launcher if processes > 1 else []), str(SCRIPT), str(file)]
    return subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def compare(found: list[dict[str, float]], expected: list[dict[str, float]]) -> None:
    assert [row["instructions"] for row in found] == [row["instructions"] for row in expected]
    for name in NAMES:
        assert [row[name] for row in found] == pytest.approx([row[name] for row in expected], rel=2e-4), name


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, float]], float]:
    """Losses of one process that takes all frames at once, and the sum of its averaged weights."""
    trainer = tiny_trainer(tmp_path_factory.mktemp("alone"), ALONE)
    return [trainer.train_step() for _ in range(STEPS)], trainer.score()["weights"]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of what two processes made of all scenarios, and of halves of runs on other numbers of them."""
    folder = tmp_path_factory.mktemp("two")
    half = STEPS // 2
    for mode in ("ddp", "fsdp2"):  # one process begins
        first = tiny_trainer(folder / f"1 to 2 {mode}", ALONE)
        for _ in range(half):
            first.train_step()
        first.save()
    scenarios = [
        {"out": str(folder / name), "execution": {"precision": "fp32"} | execution, "steps": STEPS}
        for name, execution in SCENARIOS.items()
    ]
    for mode in ("ddp", "fsdp2"):
        execution = {"precision": "fp32", "parallel": mode}
        scenarios.append(
            {"out": str(folder / f"1 to 2 {mode}"), "execution": execution, "steps": STEPS, "state": "resume"}
        )
        spread = execution | {"average": "shards"}
        scenarios.append({"out": str(folder / f"2 to 1 {mode}"), "execution": spread, "steps": half, "state": "save"})
    done = start(scenarios, folder, processes=2)
    output, _ = done.communicate(timeout=250)
    assert done.returncode == 0, output
    return folder


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_processes_give_the_losses_of_one(
    name: str, two: Path, alone: tuple[list[dict[str, float]], float]
) -> None:
    held = json.loads((two / name / "losses.json").read_text())
    compare(held["rows"], alone[0])
    assert held["scores"]["weights"] == pytest.approx(alone[1], rel=1e-4)


@pytest.mark.nightly
def test_four_processes_give_the_losses_of_one(tmp_path: Path, alone: tuple[list[dict[str, float]], float]) -> None:
    scenarios = [
        {"out": str(tmp_path / mode), "execution": {"precision": "fp32", "parallel": mode}, "steps": STEPS}
        for mode in ("ddp", "fsdp2")
    ]
    done = start(scenarios, tmp_path, processes=4)
    output, _ = done.communicate(timeout=280)
    assert done.returncode == 0, output
    for mode in ("ddp", "fsdp2"):
        compare(json.loads((tmp_path / mode / "losses.json").read_text())["rows"], alone[0])


@pytest.mark.parametrize("mode", ["ddp", "fsdp2"])
def test_two_processes_go_on_from_the_state_of_one(
    mode: str, two: Path, alone: tuple[list[dict[str, float]], float]
) -> None:
    held = json.loads((two / f"1 to 2 {mode}" / "losses.json").read_text())
    compare(held["rows"], alone[0][STEPS // 2 :])
    assert held["scores"]["weights"] == pytest.approx(alone[1], rel=1e-4)


@pytest.mark.parametrize("mode", ["ddp", "fsdp2"])
def test_one_process_goes_on_from_the_state_of_two(
    mode: str, two: Path, alone: tuple[list[dict[str, float]], float]
) -> None:
    trainer = tiny_trainer(two / f"2 to 1 {mode}", ALONE)
    assert trainer.resume()
    assert trainer.step == STEPS // 2
    compare([trainer.train_step() for _ in range(STEPS // 2)], alone[0][STEPS // 2 :])


@pytest.mark.parametrize(
    "execution",
    [
        ExecutionConfig(precision="fp32", frames_at_once=3),
        ExecutionConfig(precision="fp32", checkpointing="blocks"),
        ExecutionConfig(precision="fp32", prefetch=2),
    ],
    ids=["accumulation", "checkpointing", "prefetch"],
)
def test_parts_and_savings_leave_the_losses_as_they_are(
    execution: ExecutionConfig, tmp_path: Path, alone: tuple[list[dict[str, float]], float]
) -> None:
    trainer = tiny_trainer(tmp_path, execution)
    compare([trainer.train_step() for _ in range(2)], alone[0][:2])


@pytest.mark.nightly
def test_compiled_blocks_give_the_same_losses(tmp_path: Path, alone: tuple[list[dict[str, float]], float]) -> None:
    trainer = tiny_trainer(tmp_path, ExecutionConfig(precision="fp32", compile="blocks"))
    compare([trainer.train_step() for _ in range(2)], alone[0][:2])


def test_a_killed_run_goes_on_as_if_it_had_not_been(
    tmp_path: Path, alone: tuple[list[dict[str, float]], float]
) -> None:
    run = {"out": str(tmp_path / "run"), "execution": {"parallel": "none", "precision": "fp32"}, "steps": 10_000}
    process = start([run | {"state": "each"}], tmp_path, processes=1)
    try:
        for _ in range(2400):  # until it has saved at least two states, wherever it is then
            state = newest_state(tmp_path / "run" / "state")
            if state is not None and '"step": 1,' not in (state / "progress.json").read_text():
                break
            assert process.poll() is None, process.stdout.read() if process.stdout else ""
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    trainer = tiny_trainer(tmp_path / "run", ALONE)
    assert trainer.resume()
    began = trainer.step
    assert began >= 2
    whole = tiny_trainer(tmp_path / "whole", ALONE)
    expected = [whole.train_step() for _ in range(began + 2)][began:]
    compare([trainer.train_step() for _ in range(2)], expected)


def test_pieces_cover_everything_once_and_are_alike() -> None:
    for count in range(12):
        for pieces in range(1, 6):
            held = [piece(range(count), pieces, index) for index in range(pieces)]
            assert [number for part in held for number in part] == list(range(count))
            assert max(map(len, held)) - min(map(len, held)) <= 1


def test_too_few_frames_for_the_processes_are_refused(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, ALONE)
    trainer.processes = Processes(mode="ddp", rank=0, world=5)
    with pytest.raises(ConfigError, match="multiple of 5"):
        trainer.places(BATCH)


def test_several_processes_without_a_mode_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="ddp or fsdp2"):
        join("none", device=torch.device("cpu"))
