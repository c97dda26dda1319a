"""Speed is measured without data: made-up samples have the mixture's tasks, and the image encoder's work counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from instructseq_model.model_config import ModelConfig, load_model_config
from instructseq_model.perception import Task
from instructseq_model.vision import VISION_SPECS
from instructseq_training.config import TrainConfig, VisionConfig, batch_of
from instructseq_training.datasets.mixture import load_mixture
from instructseq_training.flops import encoder_flops
from instructseq_training.instructions import load_instruction_set
from instructseq_training.made_up_samples import MadeUpSamples
from instructseq_training.parallel import Processes
from instructseq_training.speed import measure

from . import tiny_samples
from .test_train import ROOT, small

MIXTURE = load_mixture(tiny_samples.MIXTURE)


@pytest.fixture
def model_config(monkeypatch: pytest.MonkeyPatch) -> ModelConfig:
    monkeypatch.setitem(VISION_SPECS, "tiny", tiny_samples.SPEC)
    return replace(
        small(load_model_config(ROOT / "config" / "household.yaml")),
        vision_encoder="tiny",
        image_size=tiny_samples.IMAGE_SIZE,
        grounding=None,
        label_sets=("coco_stuff", "ade20k"),
    )


def test_made_up_samples_have_the_tasks_and_answers_of_the_mixture() -> None:
    data = MadeUpSamples(mixture=MIXTURE, phrasings=load_instruction_set("train"), map_side=32)
    samples = [data[number] for number in range(400)]
    counts = Counter(sample.example.task for sample in samples)
    assert counts[Task.SEMANTIC] / 400 == pytest.approx(0.5, abs=0.08)
    assert set(counts) == set(Task)
    for sample in samples:
        if sample.example.task in (Task.SEMANTIC, Task.SEGMENTATION):
            assert sample.painted().any()
        assert bool(sample.example.boxes) == (sample.mask is not None)
        assert bool(sample.example.caption) == (sample.example.task is Task.CAPTION)


@pytest.mark.parametrize("trained", [False, True])
def test_a_mixture_is_measured_with_the_encoder_frozen_or_trained(model_config: ModelConfig, trained: bool) -> None:
    settings = TrainConfig(
        model="",
        mixture="paper.yaml",
        vision=VisionConfig(trained=trained),
        batch=batch_of({"frames": 4}, "paper.yaml", "test"),
    )
    found = measure(settings, model_config, steps=1, processes=Processes(), mixture=MIXTURE)
    assert found["instructions"] == 4
    assert found["samples_per_second"] == pytest.approx(4 / found["seconds"], rel=0.01)
    assert 0 < found["waiting"] < 1


def test_operations_of_an_encoder_are_those_of_its_layers() -> None:
    # Per image: 6 layers of width 64 over 16 patches, 12 x 64^2 products a token and scores of 16 x 64 twice.
    layers = 2 * 6 * 16 * (12 * 64**2 + 2 * 16 * 64)
    embedding = 2 * 16 * 3 * 16**2 * 64
    assert encoder_flops(tiny_samples.vision(), images=4) == 4 * (layers + embedding)
