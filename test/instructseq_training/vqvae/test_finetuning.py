"""Starting from weights, with every loss, stopped and resumed, on several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.vqvae import VQVAE, VQVAEConfig, load_vqvae, save_vqvae
from instructseq_training.vqvae.adversary import Discriminator, load_adversary
from instructseq_training.vqvae.convert import convert
from instructseq_training.vqvae.maps import Palettes
from instructseq_training.vqvae.perceptual import PerceptualDistance
from instructseq_training.vqvae.recipe import Recipe
from instructseq_training.vqvae.reconstruction import reconstruction_losses
from instructseq_training.vqvae.run import run
from instructseq_training.vqvae.snapshot import SNAPSHOT
from instructseq_training.vqvae.start import load_start
from instructseq_training.vqvae.synthetic import SyntheticMaps
from instructseq_training.vqvae.trainer import Trainer

ROOT = Path(__file__).resolve().parents[3]
SHAPE = {
    "resolution": 32,
    "channels": 8,
    "multipliers": [1, 2],
    "blocks": 1,
    "attention_resolutions": [],
    "mid_attention": False,
    "codes": 16,
    "normalization": "pixel",
    "patch": 4,
}
MODEL = VQVAEConfig.from_mapping(SHAPE)
PALETTES = Palettes(
    semantic=np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8),
    referring=np.array([[0, 0, 0], [0, 0, 255]], np.uint8),
)
SHAPES = SyntheticMaps(side=32, classes=2, named_colours=1)
OPPOSED = {"adversarial": {"channels": 8, "start_step": 2, "weights": "chance"}}


@pytest.fixture(scope="module")
def network() -> PerceptualDistance:
    torch.manual_seed(3)
    found = PerceptualDistance().eval().requires_grad_(False)
    for number in range(5):  # as published, heads have no negative weights
        weight = found.get_parameter(f"lin{number}.model.1.weight")
        weight.copy_(weight.abs())
    return found


def trainer(network: PerceptualDistance | None = None, **settings: object) -> Trainer:
    """With every loss, if given a network."""
    plain = {"steps": 6, "free_steps": 0, "maps": 4, "crop": 32, "workers": 1, "warmup": 2, "save_every": 100}
    recipe = Recipe.from_mapping({**plain, **({"perceptual": {}, **OPPOSED} if network else {}), **settings})
    torch.manual_seed(5)
    adversary = load_adversary(recipe.adversarial, None, device=torch.device("cpu")) if recipe.adversarial else None
    losses = reconstruction_losses(recipe, network=network)
    return Trainer(MODEL, recipe, source=SHAPES, palettes=PALETTES, losses=losses, adversary=adversary)


def source_state(seed: int = 7) -> VQVAE:
    torch.manual_seed(seed)
    return VQVAE(MODEL)


def same(model: VQVAE, source: VQVAE) -> bool:
    return all(torch.equal(value, model.state_dict()[name]) for name, value in source.state_dict().items())


def test_a_folder_or_a_published_file_is_a_start(tmp_path: Path) -> None:
    source = source_state()
    save_vqvae(source, tmp_path / "folder")
    save_file({f"first_stage_model.{n}": t for n, t in source.state_dict().items()}, tmp_path / "ldm.safetensors")
    for path in ("folder", "ldm.safetensors"):
        model = source_state(8)
        load_start(model, tmp_path / path)
        assert same(model, source)


def test_a_start_of_another_resolution_has_the_same_weights(tmp_path: Path) -> None:
    source = source_state()
    save_vqvae(source, tmp_path)
    larger = VQVAE(VQVAEConfig.from_mapping({**SHAPE, "resolution": 64}))
    load_start(larger, tmp_path)
    assert same(larger, source)


def test_what_does_not_fit_is_refused_with_the_reason(tmp_path: Path) -> None:
    save_vqvae(source_state(), tmp_path / "folder")
    with pytest.raises(CheckpointError, match=r"quantize\.embedding\.weight is \(16, 4\), not \(8, 4\)"):
        load_start(VQVAE(VQVAEConfig.from_mapping({**SHAPE, "codes": 8})), tmp_path / "folder")
    with pytest.raises(CheckpointError, match="normalization: pixel"):
        load_start(VQVAE(VQVAEConfig.from_mapping({**SHAPE, "normalization": "group"})), tmp_path / "folder")
    with pytest.raises(CheckpointError, match=r"no such file to start from.*convert"):
        load_start(source_state(), tmp_path / "none")
    (tmp_path / "model.ckpt").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"only \.safetensors is read; convert"):
        load_start(source_state(), tmp_path / "model.ckpt")


def test_a_start_leaves_no_steps_without_its_codebook(tmp_path: Path) -> None:
    save_vqvae(source_state(), tmp_path)
    with pytest.raises(ConfigError, match="free_steps: 0"):
        trainer(free_steps=2).start_from(tmp_path)


class SameMaps:
    """Always the same class map and the same mask, so that few steps show."""

    def semantic(self, rng: np.random.Generator) -> np.ndarray:
        return np.repeat([[1, 2]], 16, 1).repeat(32, 0).astype(np.uint8)

    def referring(self, rng: np.random.Generator) -> np.ndarray:
        return np.repeat([[0], [1]], 16, 0).repeat(32, 1).astype(np.uint8)


def test_every_loss_is_logged_and_some_steps_lower_it(network: PerceptualDistance) -> None:
    opposed = {"adversarial": {**OPPOSED["adversarial"], "start_step": 33}}
    settings = {"steps": 35, "learning_rate": 0.01, "flat_weight": 0.0, "free_steps": 32, "maps": 2}
    training = trainer(network, **settings, **opposed)
    training.source = SameMaps()
    reports = [training.advance() for _ in range(35)]
    assert set(reports[0].losses) == {"loss", "l1", "palette", "perceptual", "commitment", "flat"}
    assert set(reports[-1].losses) == {*reports[0].losses, "fooling", "opposing"}
    for name in ("l1", "palette", "perceptual"):
        assert reports[31].losses[name] < 0.8 * reports[0].losses[name], name


def test_loss_is_the_weighted_sum_of_its_parts(network: PerceptualDistance) -> None:
    training = trainer(network, perceptual={"weight": 0.5}, adversarial=None)
    losses = training.advance().losses
    recipe = training.recipe
    expected = losses["l1"] + recipe.palette_weight * losses["palette"] + 0.5 * losses["perceptual"]
    expected += recipe.commitment * losses["commitment"] + recipe.flat_weight * losses["flat"]
    assert losses["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_discriminator_begins_at_its_step_and_only_then_learns(network: PerceptualDistance) -> None:
    training = trainer(network)
    assert training.adversary is not None
    weights = [parameter.detach().clone() for parameter in training.adversary.parameters]
    for _ in range(2):
        assert "fooling" not in training.advance().losses
    assert all(torch.equal(a, b) for a, b in zip(weights, training.adversary.parameters, strict=True))
    assert "fooling" in training.advance().losses
    assert not torch.equal(weights[0], training.adversary.parameters[0])


def test_a_run_with_every_loss_goes_on_exactly_after_a_stop(network: PerceptualDistance, tmp_path: Path) -> None:
    whole = trainer(network)
    expected = [whole.advance().losses for _ in range(6)]
    first = trainer(network)
    for _ in range(4):
        first.advance()
    first.save(tmp_path)
    first.advance()  # a step that is lost
    second = trainer(network)
    assert second.resume(tmp_path)
    assert [second.advance().losses for _ in range(2)] == expected[4:]
    assert whole.adversary is not None
    assert second.adversary is not None
    for a, b in zip(whole.adversary.parameters, second.adversary.parameters, strict=True):
        assert torch.equal(a, b)
    moments = [list(run.adversary.optimizer.state_dict()["state"].values()) for run in (whole, second) if run.adversary]
    assert torch.equal(moments[0][0]["exp_avg_sq"], moments[1][0]["exp_avg_sq"])


def test_a_snapshot_of_a_run_with_other_losses_is_refused(network: PerceptualDistance, tmp_path: Path) -> None:
    with_all = trainer(network)
    with_all.save(tmp_path)
    with pytest.raises(CheckpointError, match="no use for"):
        trainer().resume(tmp_path)
    trainer().save(tmp_path)
    with pytest.raises(CheckpointError, match=r"adversary.*missing"):
        with_all.resume(tmp_path)


def write_recipe(folder: Path, **parts: object) -> Path:
    training = {"steps": 2, "free_steps": 0, "maps": 4, "crop": 32, "workers": 1, "save_every": 1}
    given = {"model": SHAPE, "data": {"evaluation_maps": 4}, **parts}
    given["training"] = {**training, **dict(parts.get("training") or {})}
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(given))
    return file


def test_a_recipe_starts_from_what_conversion_wrote_with_the_published_losses(
    network: PerceptualDistance, tmp_path: Path
) -> None:
    source, discriminator = source_state(), Discriminator(channels=8, layers=2)
    state = {**source.state_dict()}
    state |= {f"loss.perceptual_loss.{name}": value for name, value in network.state_dict().items()}
    state |= {"loss.perceptual_loss.scaling_layer.shift": torch.zeros(1, 3, 1, 1)}
    state |= {f"loss.discriminator.{name}": value for name, value in discriminator.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "model.ckpt")
    convert(tmp_path / "model.ckpt", tmp_path / "weights", config=MODEL)
    written = load_file(tmp_path / "weights" / "discriminator.safetensors")
    assert torch.equal(written["main.0.weight"], discriminator.main[0].weight)

    recipe = write_recipe(
        tmp_path, start="weights", training={"learning_rate": 1e-9, "perceptual": {}, "adversarial": {"channels": 8}}
    )
    report = run(recipe, data=None, out=tmp_path / "out")
    row = json.loads((tmp_path / "out" / "log.jsonl").read_text().splitlines()[0])
    assert {"perceptual", "fooling", "opposing"} <= set(row)
    assert report["steps"] == 2
    trained = load_vqvae(tmp_path / "out").state_dict()
    assert torch.allclose(trained["decoder.conv_out.weight"], source.state_dict()["decoder.conv_out.weight"], atol=1e-6)


def test_a_stopped_run_needs_its_start_no_more(tmp_path: Path) -> None:
    save_vqvae(source_state(), tmp_path / "weights")
    recipe = write_recipe(tmp_path, start="weights")
    run(recipe, data=None, out=tmp_path / "out")
    (tmp_path / "weights").rename(tmp_path / "elsewhere")
    assert run(recipe, data=None, out=tmp_path / "out")["steps"] == 2
    (tmp_path / "out" / SNAPSHOT).unlink()
    with pytest.raises(CheckpointError, match="no such file to start from"):
        run(recipe, data=None, out=tmp_path / "out")
    assert run(recipe, data=None, out=tmp_path / "out", start=tmp_path / "elsewhere")["steps"] == 2


@pytest.mark.parametrize(
    ("training", "message"),
    [({"perceptual": {}}, r"perceptual\.safetensors.*convert_perceptual"), ({"adversarial": {}}, "chance")],
)
def test_losses_without_their_weights_say_where_to_get_them(
    training: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=message):
        run(write_recipe(tmp_path, training=training), data=None, out=tmp_path / "out")


def test_two_processes_train_as_one_with_two_workers(tmp_path: Path) -> None:
    save_vqvae(source_state(), tmp_path / "weights")
    together = write_recipe(tmp_path, start="weights", training={"workers": 2, "restart_share": 1.0})
    run(together, data=None, out=tmp_path / "one")
    divided = write_recipe(tmp_path, start="weights", training={"restart_share": 1.0})
    path = os.pathsep.join([str(ROOT), *(entry for entry in sys.path if entry)])
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, "-m", "instructseq_training.vqvae", str(divided), "--out", str(tmp_path / "two")],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    one, two = (load_vqvae(tmp_path / name).state_dict() for name in ("one", "two"))
    # Adam makes parts of a step of what rounding leaves of a gradient that is nearly 0.
    assert all(torch.allclose(one[name], two[name], atol=2e-4) for name in one)
    rows = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("one", "two")]
    assert len(rows[0]) == len(rows[1]) == 2
    assert json.loads(rows[0][1])["loss"] == pytest.approx(json.loads(rows[1][1])["loss"], rel=1e-3)


def test_maps_that_cannot_be_divided_are_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of processes times workers"):
        trainer(maps=3, workers=2)
