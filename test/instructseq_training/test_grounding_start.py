"""The grounding's start on frozen features."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from instructseq_model.errors import ConfigError
from instructseq_model.sequence_model import SequenceModel
from instructseq_training.batches import Batcher
from instructseq_training.config import GroundingStartConfig
from instructseq_training.grounding_start import start_grounding
from instructseq_training.instructions import load_instruction_set
from instructseq_training.prepared import PreparedFrames, class_targets

from . import tiny_world

START = GroundingStartConfig(steps=240, frames=2, expressions=2, phrasings=1, learning_rate=2e-2, classes=1.0)
FITTED = ("grounding.key.", "grounding.query.", "grounding.log_scale", "grounding.bias", "grounding.class_heat.read.")


@pytest.fixture
def model() -> SequenceModel:
    torch.manual_seed(0)
    return SequenceModel(tiny_world.sequence_config(replace(tiny_world.WHOLE, class_hidden=16)))


def test_names_and_classes_are_found_and_all_else_stays(
    model: SequenceModel, frames: PreparedFrames, batcher: Batcher
) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    start_grounding(
        model,
        frames=frames,
        phrasings=load_instruction_set("template"),
        encoder=batcher.encoders.instruction_encoder,
        config=START,
        seed=0,
    )
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith(FITTED), name
    assert model.grounding is not None
    features = torch.from_numpy(np.array(frames.features)).float()
    with torch.no_grad():
        image = model.grounding.read_image(torch.zeros(3, 16, model.config.transformer.width), features)
    assert image.classes is not None
    known = model.grounding.tiles(class_targets(frames, range(3), side=8))  # 3 x P x S*S
    right = (image.classes.argmax(-1) == known)[known < 3]  # the bowl's class is one that the model does not know
    assert right.float().mean() > 0.95


def test_class_targets_are_those_in_the_middle_of_each_place(frames: PreparedFrames) -> None:
    found = class_targets(frames, [0, 2], side=8)
    assert found.shape == (2, 8, 8)
    assert found[0, :4, :2].unique().tolist() == [2]  # the mug's half of the left edge
    assert found[0, 4:, 4:].unique().tolist() == [3]
    assert found[0, :4, 2:].unique().tolist() == [1]


def test_a_model_without_grounding_has_nothing_to_start(frames: PreparedFrames, batcher: Batcher) -> None:
    with pytest.raises(ConfigError, match="leave grounding_start out"):
        start_grounding(
            SequenceModel(tiny_world.sequence_config(None)),
            frames=frames,
            phrasings=load_instruction_set("template"),
            encoder=batcher.encoders.instruction_encoder,
            config=START,
            seed=0,
        )


def test_what_becomes_of_a_checkpoints_comparison_is_one_of_three() -> None:
    with pytest.raises(ConfigError, match="kept, afresh or fitted"):
        GroundingStartConfig(comparison="new")


@pytest.mark.parametrize(("comparison", "came_along", "due"), [("kept", True, False), ("fitted", True, True)])
def test_a_comparison_that_came_along_is_fitted_where_that_is_asked_for(
    comparison: str, came_along: bool, due: bool
) -> None:
    assert GroundingStartConfig(comparison=comparison).due(came_along=came_along) is due
    assert GroundingStartConfig(comparison=comparison).due(came_along=False)


def test_expressions_of_the_kinds_asked_for_are_learned_from(
    model: SequenceModel, frames: PreparedFrames, batcher: Batcher
) -> None:
    def remaining(kind: str) -> float:
        return start_grounding(
            copy.deepcopy(model),
            frames=frames,
            phrasings=load_instruction_set("template"),
            encoder=batcher.encoders.instruction_encoder,
            config=replace(START, steps=40, kinds=(kind,), classes=0.0),
            seed=0,
        )

    assert remaining("none") < 0.05 < remaining("all")  # nothing is soon said everywhere, something has an outline
