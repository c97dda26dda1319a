"""States: the last good one survives a full disk and a kill at any moment."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from instructseq_model.errors import CheckpointError
from instructseq_training.config import ExecutionConfig
from instructseq_training.progress import Journal
from instructseq_training.states import PROGRESS, TENSORS, is_whole, newest_state, write_state
from instructseq_training.trainer import LOG, STATE, Trainer

from .tiny_run import tiny_trainer

FIRST = {"model.a": torch.arange(1000.0)}
SECOND = {"model.a": torch.arange(1000.0) + 1}


@contextmanager
def no_room(size: int = 1000) -> Iterator[None]:
    """No file can grow beyond `size` bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def run(tmp_path: Path) -> Trainer:
    return tiny_trainer(tmp_path, ExecutionConfig(precision="fp32"), save_minutes=0.0, evaluate_minutes=1000.0)


def test_a_full_disk_leaves_the_state_before(tmp_path: Path) -> None:
    write_state(tmp_path / "state", FIRST, {"step": 1})
    with no_room(), pytest.raises(CheckpointError, match="kept"):
        write_state(tmp_path / "state", SECOND, {"step": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert json.loads((tmp_path / "state" / PROGRESS).read_text()) == {"step": 1}
    assert torch.equal(load_file(tmp_path / "state" / TENSORS)["model.a"], FIRST["model.a"])


def test_a_run_goes_on_while_the_disk_is_full_and_resumes_from_the_last_good_state(run: Trainer) -> None:
    run.train_step()
    run.save()
    with no_room(), Journal(run.out / LOG, tensorboard=None, speaks=False) as journal:
        run.train_step()
        run._save_or_warn(journal)
    expected = run.train_step()
    again = tiny_trainer(run.out, run.config.execution)
    assert again.resume()
    assert again.step == 1
    again.train_step()
    assert again.train_step()["map"] == pytest.approx(expected["map"], rel=1e-6)


def test_room_again_means_a_newer_state(tmp_path: Path) -> None:
    write_state(tmp_path / "state", FIRST, {"step": 1})
    with no_room(), pytest.raises(CheckpointError):
        write_state(tmp_path / "state", SECOND, {"step": 2})
    write_state(tmp_path / "state", SECOND, {"step": 2})
    assert torch.equal(load_file(tmp_path / "state" / TENSORS)["model.a"], SECOND["model.a"])
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("beside", ["state.old", "state.partial"])
def test_a_kill_between_the_two_renames_loses_nothing(beside: str, tmp_path: Path) -> None:
    write_state(tmp_path / "state", FIRST, {"step": 1})
    (tmp_path / "state").rename(tmp_path / beside)
    assert newest_state(tmp_path / "state") == tmp_path / beside
    write_state(tmp_path / "state", SECOND, {"step": 2})
    assert newest_state(tmp_path / "state") == tmp_path / "state"


def test_a_half_written_state_is_passed_over(tmp_path: Path) -> None:
    write_state(tmp_path / "state", FIRST, {"step": 1})
    (tmp_path / "state").rename(tmp_path / "state.old")
    write_state(tmp_path / "state", SECOND, {"step": 2})
    write_state(tmp_path / "state.old", FIRST, {"step": 1})
    whole = (tmp_path / "state" / TENSORS).read_bytes()
    (tmp_path / "state" / TENSORS).write_bytes(whole[:-100])
    assert not is_whole(tmp_path / "state")
    assert newest_state(tmp_path / "state") == tmp_path / "state.old"


def test_no_state_is_none(tmp_path: Path) -> None:
    assert newest_state(tmp_path / "state") is None


def test_a_state_of_another_model_is_refused(run: Trainer) -> None:
    write_state(run.out / STATE, FIRST, {"step": 1, "seconds": 1.0})
    with pytest.raises(CheckpointError, match="another model"):
        run.resume()
