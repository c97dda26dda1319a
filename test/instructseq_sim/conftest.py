"""A small scene out of shapes that need no download."""

from __future__ import annotations

import pytest

from instructseq_sim.live_scene import LiveScene, SimConfig
from instructseq_sim.shapes import write_catalogue


@pytest.fixture(scope="session")
def shapes_folder(tmp_path_factory):
    return write_catalogue(tmp_path_factory.mktemp("shapes"))


@pytest.fixture(scope="session")
def small(shapes_folder) -> SimConfig:
    return SimConfig(width=160, height=120, seed=1, move_every=0.0, assets=shapes_folder)


@pytest.fixture
def scene(opengl, small):
    made = LiveScene(small)
    yield made
    made.close()
