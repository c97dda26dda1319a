"""The tiny world as fixtures, and what real rendering needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from instructseq_model.sequence_model import SequenceConfig
from instructseq_model.text import TextTokenizer
from instructseq_model.vqvae import VQVAE
from instructseq_training.batches import Batcher
from instructseq_training.prepared import PreparedFrames
from instructseq_training.scenes.assets import find_assets
from instructseq_training.scenes.errors import SceneError

from . import tiny_world
from .datasets import generate


@pytest.fixture(scope="session")
def frames() -> PreparedFrames:
    """Three frames of 32 x 32 with 4 x 4 cells."""
    return tiny_world.frames()


@pytest.fixture(scope="session")
def vqvae() -> VQVAE:
    """Random weights, 4 x 4 codes for 32 x 32 pixels."""
    return tiny_world.vqvae()


@pytest.fixture(scope="session")
def tokenizer() -> TextTokenizer:
    """Learned from the frames' captions."""
    return tiny_world.tokenizer()


@pytest.fixture(scope="session")
def sequence_config() -> SequenceConfig:
    """A model of two layers."""
    return tiny_world.sequence_config()


@pytest.fixture(scope="session")
def batcher() -> Batcher:
    """Batches of the three frames, with a random MiniLM."""
    return tiny_world.batcher()


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All public datasets, small; nobody writes into it."""
    folder = tmp_path_factory.mktemp("datasets")
    generate.everything(folder)
    return folder


@pytest.fixture(scope="session")
def assets():
    """The object models, where this machine has them; nothing is downloaded for a test."""
    try:
        return find_assets(fetch=False)
    except SceneError as error:
        pytest.skip(f"no object models: {error}")
