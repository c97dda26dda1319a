"""Answers to be looked at, and TensorBoard's files with them in."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from instructseq_model.errors import ConfigError
from instructseq_model.label_sets import label_set
from instructseq_model.palette import NAMED_COLOURS, paint
from instructseq_model.sequence_model import SequenceModel
from instructseq_training.batches import Batcher
from instructseq_training.instructions import load_instruction_set
from instructseq_training.prepared import PreparedFrames
from instructseq_training.samples import Sample, sample_answers, with_boxes
from instructseq_training.tensorboard_log import TensorBoardLog


@pytest.fixture(scope="module")
def samples(batcher: Batcher, frames: PreparedFrames) -> list[Sample]:
    torch.manual_seed(0)
    model = SequenceModel(batcher.sequence).eval()
    return sample_answers(model, batcher.encoders, frames, load_instruction_set("held_out"), count=2)


def test_there_is_one_answer_of_each_task_a_frame(samples: list[Sample]) -> None:
    tasks = ("semantic", "segmentation", "detection", "caption")
    assert sorted(sample.name for sample in samples) == sorted(f"{task}/{n}" for task in tasks for n in (0, 1))
    assert all(sample.picture.shape == (32, 64, 3) and sample.picture.dtype == np.uint8 for sample in samples)


def test_the_left_half_is_what_would_have_been_right(samples: list[Sample], frames: PreparedFrames) -> None:
    by_name = {sample.name: sample for sample in samples}
    scene = paint(np.asarray(frames.classes[0]), label_set("household"))
    assert (by_name["semantic/0"].picture[:, :32] == scene).all()
    marked = by_name["segmentation/0"].picture[:, :32].reshape(-1, 3)
    colours = {tuple(colour) for colour in marked.tolist()}
    assert colours <= {(0, 0, 0), *NAMED_COLOURS.values()}
    assert "right: a" in by_name["caption/0"].text


def test_boxes_are_drawn_where_they_are_and_swapped_corners_do_no_harm() -> None:
    black = np.zeros((20, 20, 3), np.uint8)
    drawn = with_boxes(black, np.array([[0.25, 0.5, 0.75, 1.0]]), colour="white")
    ys, xs = np.nonzero(drawn.any(-1))
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (5, 14, 10, 19)
    assert (drawn == with_boxes(black, np.array([[0.75, 1.0, 0.25, 0.5]]), colour="white")).all()
    assert with_boxes(black, np.array([[0.5, 0.5, 0.5, 0.5]]), colour="white").any()


def test_tensorboard_holds_losses_scores_and_pictures(samples: list[Sample], tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = TensorBoardLog(tmp_path)
    log.scalars({"step": 20, "minutes": 1.0, "map": 2.5, "mfu": 0.25})
    log.scalars({"step": 20, "free_res_oiou": 0.5})
    log.samples(20, samples)
    log.close()
    held = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert set(held.Tags()["scalars"]) == {"loss/map", "run/minutes", "run/mfu", "evaluation/res_oiou"}
    assert held.Scalars("loss/map")[0].value == 2.5
    assert held.Scalars("loss/map")[0].step == 20
    assert set(held.Tags()["images"]) == {sample.name for sample in samples}
    assert held.Images("caption/0")[0].width == 64


def test_a_missing_tensorboard_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match="pip install tensorboard"):
        TensorBoardLog(tmp_path)
