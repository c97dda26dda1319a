"""Training on public datasets: the image encoder frozen or learning, on one process or two, resumed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from instructseq_training.config import ExecutionConfig
from instructseq_training.trained_parts import split_weights

from . import tiny_samples
from .test_parallel import environment

Run = tuple[list[dict[str, float]], float]
SCRIPT = Path(tiny_samples.__file__)
NAMES = ("map", "boxes", "text", "kind", "heat", "classes", "norm", "instructions")
SCENARIOS: dict[str, dict[str, Any]] = {
    "ddp": {"parallel": "ddp"},
    "ddp, one frame at once": {"parallel": "ddp", "frames_at_once": 1, "prefetch": 1, "checkpointing": "blocks"},
    "ddp, average in shards": {"parallel": "ddp", "average": "shards"},
}


@pytest.fixture(scope="module")
def alone(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Losses of one process that trains the encoder too, and the sum of its averaged weights."""
    trainer = tiny_samples.tiny_trainer(root, tmp_path_factory.mktemp("alone"), trained=True)
    return [trainer.train_step() for _ in range(tiny_samples.STEPS)], trainer.score()["weights"]


@pytest.fixture(scope="module")
def two(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes made of the same runs."""
    folder = tmp_path_factory.mktemp("two")
    common = {"root": str(root), "trained": True, "steps": tiny_samples.STEPS}
    scenarios = [
        common | {"out": str(folder / name), "execution": {"precision": "fp32"} | execution}
        for name, execution in SCENARIOS.items()
    ]
    (folder / "scenarios.json").write_text(json.dumps(scenarios))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, str(SCRIPT), str(folder / "scenarios.json")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def compare(found: list[dict[str, float]], expected: list[dict[str, float]], *, rel: float = 5e-4) -> None:
    for name in NAMES:
        values = [[row.get(name, 0.0) for row in rows] for rows in (found, expected)]  # a step may have no captions
        assert values[0] == pytest.approx(values[1], rel=rel, abs=1e-6), name


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_processes_give_the_losses_of_one(name: str, two: Path, alone: Run) -> None:
    held = json.loads((two / name / "losses.json").read_text())
    rows, weights = alone
    compare(held["rows"], rows)
    assert held["scores"]["weights"] == pytest.approx(weights, rel=1e-4)


def test_a_step_trains_the_encoder_at_a_rate_of_its_own(root: Path, tmp_path: Path) -> None:
    trainer = tiny_samples.tiny_trainer(root, tmp_path, trained=True)
    before = {name: value.clone() for name, value in trainer.trained.state_dict().items()}
    row = trainer.train_step()
    assert row["norm"] > 0
    moved = {name: (value - before[name]).abs().max() for name, value in trainer.trained.state_dict().items()}
    block = moved["vision.network.blocks.0.attn.qkv.weight"]
    head = moved["sequence.head.weight"]
    # Adam's first step moves a weight by its learning rate, whatever its gradient; the encoder's is half the other's.
    assert float(head) == pytest.approx(5e-4, rel=0.05)  # half of 1e-3 in the first of two steps of warm-up
    assert float(block) == pytest.approx(2.5e-4, rel=0.05)
    assert float(trainer.optimiser.param_groups[0]["lr"]) in (5e-4, 2.5e-4)


def test_a_frozen_encoder_stays_and_has_no_place_in_the_state(root: Path, tmp_path: Path) -> None:
    trainer = tiny_samples.tiny_trainer(root, tmp_path, trained=False)
    before = {name: value.clone() for name, value in tiny_samples.vision().state_dict().items()}
    head = trainer.model.head.weight.clone()
    losses = trainer.train_step()
    assert all(losses[name] > 0 for name in ("map", "boxes", "kind"))
    assert not torch.equal(trainer.model.head.weight, head)
    encoder = trainer.batches.read_images.encoder  # type: ignore[attr-defined]
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert split_weights(trainer.average.whole())[1] is None


def test_a_resumed_run_gives_the_losses_of_an_unbroken_one(root: Path, tmp_path: Path, alone: Run) -> None:
    first = tiny_samples.tiny_trainer(root, tmp_path, trained=True)
    rows = [first.train_step() for _ in range(2)]
    first.save()
    second = tiny_samples.tiny_trainer(root, tmp_path, trained=True)
    assert second.vision is not None
    torch.nn.init.normal_(second.vision.network.patch_embed.proj.weight)  # resuming must not live off equal weights
    assert second.resume()
    rows += [second.train_step() for _ in range(tiny_samples.STEPS - 2)]
    compare(rows, alone[0], rel=1e-6)
    assert second.score()["weights"] == pytest.approx(alone[1], rel=1e-6)


def test_one_process_goes_on_from_the_state_of_two(root: Path, two: Path, alone: Run) -> None:
    trainer = tiny_samples.tiny_trainer(root, two / "ddp, average in shards", trained=True)
    assert trainer.resume()
    assert trainer.step == tiny_samples.STEPS
    assert trainer.score()["weights"] == pytest.approx(alone[1], rel=1e-4)


def test_accumulated_parts_give_the_losses_of_the_whole(root: Path, tmp_path: Path, alone: Run) -> None:
    execution = ExecutionConfig(precision="fp32", frames_at_once=3, prefetch=1)
    trainer = tiny_samples.tiny_trainer(root, tmp_path, trained=True, execution=execution)
    compare([trainer.train_step() for _ in range(2)], alone[0][:2])
    trainer.source.close()
