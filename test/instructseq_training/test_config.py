"""Training YAML: what is read, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from instructseq_model.errors import ConfigError
from instructseq_model.model_config import load_model_config
from instructseq_training.config import BatchConfig, load_train_config

RECIPES = sorted((Path(__file__).resolve().parents[2] / "config" / "training").rglob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_names_a_model_that_can_be_built(recipe: Path) -> None:
    config = load_train_config(recipe)
    model = load_model_config(recipe.parent / config.model)
    assert model.sequence.map_grid == model.vqvae.grid
    assert config.steps > 0


def test_parts_become_their_classes_and_keep_defaults(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("model: m.yaml\nbatch: {frames: 2}\n")
    config = load_train_config(file)
    assert config.batch == BatchConfig(frames=2)
    assert config.first_batch is None


@pytest.mark.parametrize("text", ["model: m.yaml\nbathc: {}\n", "model: m.yaml\nbatch: {frame: 2}\n"])
def test_a_misspelt_setting_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"bathc|frame"):
        load_train_config(file)


def test_a_missing_recipe_says_where_they_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="config/training"):
        load_train_config(tmp_path / "none.yaml")
