import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.vqvae import VQVAE, VQVAEConfig, load_vqvae, save_vqvae
from instructseq_training.vqvae.__main__ import app
from instructseq_training.vqvae.convert import convert
from instructseq_training.vqvae.evaluation import evaluate
from instructseq_training.vqvae.maps import Palettes, draw_batch
from instructseq_training.vqvae.recipe import Recipe
from instructseq_training.vqvae.run import read_config
from instructseq_training.vqvae.synthetic import SyntheticMaps
from instructseq_training.vqvae.trainer import Trainer

MODEL = VQVAEConfig(
    resolution=32,
    channels=16,
    multipliers=(1, 2),
    blocks=1,
    attention_resolutions=(),
    mid_attention=False,
    codes=32,
    normalization="pixel",
    patch=4,
)
PALETTES = Palettes(
    semantic=np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8),
    referring=np.array([[0, 0, 0], [0, 0, 255]], np.uint8),
)
SHAPES = SyntheticMaps(side=32, classes=2, named_colours=1)


def trainer(**recipe: object) -> Trainer:
    chosen = {"steps": 12, "free_steps": 4, "decoder_steps": 3, "maps": 2, "crop": 16, "save_every": 5, **recipe}
    return Trainer(MODEL, Recipe.from_mapping(chosen), source=SHAPES, palettes=PALETTES)


def test_training_learns_to_keep_maps() -> None:
    torch.set_flush_denormal(True)
    training = trainer(steps=150, free_steps=80, decoder_steps=20, maps=8, learning_rate=0.004, warmup=5, seed=1)
    maps = draw_batch(SHAPES, (9,), maps=16, crop=32, referring_share=0.5)
    before = evaluate(training.model, maps, PALETTES)
    after = evaluate(training.run(), maps, PALETTES)
    assert after.pixel_accuracy > max(0.7, before.pixel_accuracy + 0.2)
    assert after.empty_kept == 1.0


def test_interrupted_run_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = trainer().run().state_dict()
    first = trainer()
    for step in range(1, 8):  # killed two steps after its snapshot
        first.advance()
        if step == 5:
            first.save(tmp_path)
    second = trainer()
    assert second.resume(tmp_path)
    assert second.step == 5
    resumed = second.run(folder=tmp_path).state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_last_steps_change_the_decoder_only() -> None:
    training = trainer()
    while training.step < 10:  # the first of the decoder's steps is done
        training.advance()
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    training.advance()
    changed = {
        name.split(".")[0] for name, value in training.model.state_dict().items() if not before[name].equal(value)
    }
    assert changed == {"decoder", "post_quant_conv"}


def test_start_from_a_trained_model_keeps_its_codebook(tmp_path: Path) -> None:
    torch.manual_seed(7)
    source = VQVAE(MODEL)
    save_vqvae(source, tmp_path / "source")
    training = trainer(free_steps=0, decay=1.0, least_use=0.0)
    training.start_from(tmp_path / "source")
    assert all(torch.equal(value, training.model.state_dict()[name]) for name, value in source.state_dict().items())
    training.advance()
    assert torch.allclose(training.model.codebook, source.codebook)


def test_snapshot_of_another_shape_is_refused(tmp_path: Path) -> None:
    training = trainer(save_every=1, steps=2, free_steps=0, decoder_steps=0)
    training.run(folder=tmp_path)
    other = Trainer(
        VQVAEConfig(**{**MODEL.to_mapping(), "codes": 16}), training.recipe, source=SHAPES, palettes=PALETTES
    )
    with pytest.raises(CheckpointError, match="does not resume"):
        other.resume(tmp_path)
    assert not trainer().resume(tmp_path / "nothing")


@pytest.mark.parametrize(
    "values",
    [{"free_steps": 12}, {"workers": 3}, {"referring_share": 2.0}, {"temperature": 0.0}, {"speed": 1}],
)
def test_impossible_recipes_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="training"):
        trainer(**values)


def test_learning_rate_warms_up_and_falls_twice() -> None:
    recipe = Recipe(steps=100, free_steps=0, decoder_steps=40, warmup=10, learning_rate=1.0)
    assert recipe.rate(0) == pytest.approx(0.1)
    assert recipe.rate(30) == pytest.approx(0.5)
    assert recipe.rate(59) < 0.01
    assert recipe.rate(80) == pytest.approx(0.5)


def test_command_trains_and_writes_everything(tmp_path: Path) -> None:
    config = tmp_path / "tiny.yaml"
    training = {"steps": 3, "free_steps": 1, "maps": 2, "crop": 32}
    parts = {"model": MODEL.to_mapping(), "training": training, "data": {"evaluation_maps": 4}}
    config.write_text(yaml.safe_dump(parts))
    result = CliRunner().invoke(app, [str(config), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written >= {"model.safetensors", "config.yaml", "report.json", "recon.png", "log.jsonl"}
    assert load_vqvae(tmp_path / "out").config == MODEL


def test_command_says_what_is_wrong_with_a_configuration(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path / "none.yaml"), "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "no such file" in result.output


@pytest.mark.parametrize("name", ["household", "paper", "tiny"])
def test_shipped_configurations_are_valid(name: str) -> None:
    plan = read_config(Path(__file__).parents[3] / "config" / "vqvae" / f"{name}.yaml")
    assert plan.model.reduction == 8
    assert plan.training.steps > 0


def test_published_checkpoint_is_converted(tmp_path: Path) -> None:
    source = VQVAE(MODEL)
    state = {f"first_stage_model.{name}": value for name, value in source.state_dict().items()}
    torch.save({"state_dict": state, "global_step": 3}, tmp_path / "model.ckpt")
    convert(tmp_path / "model.ckpt", tmp_path / "out", config=MODEL)
    assert torch.equal(load_vqvae(tmp_path / "out").codebook, source.codebook)


class Surprise:
    """What a plain-tensor file must not hold."""


def test_checkpoint_with_code_in_it_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "extra": Surprise()}, tmp_path / "model.ckpt")
    with pytest.raises(CheckpointError, match="refused"):
        convert(tmp_path / "model.ckpt", tmp_path / "out", config=MODEL)


def test_what_lightning_left_in_a_checkpoint_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "pytorch_lightning.callbacks.model_checkpoint"
    module = types.ModuleType(name)
    module.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": name})  # type: ignore[attr-defined]
    source = VQVAE(MODEL)
    with monkeypatch.context() as context:
        for parent in ("pytorch_lightning", "pytorch_lightning.callbacks"):
            context.setitem(sys.modules, parent, types.ModuleType(parent))
        context.setitem(sys.modules, name, module)
        kept = {module.ModelCheckpoint: {"best": 1.0}, "object": module.ModelCheckpoint()}
        torch.save({"state_dict": source.state_dict(), "callbacks": kept}, tmp_path / "model.ckpt")
    convert(tmp_path / "model.ckpt", tmp_path / "out", config=MODEL)
    assert torch.equal(load_vqvae(tmp_path / "out").codebook, source.codebook)
