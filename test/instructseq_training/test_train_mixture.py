"""The whole command on public datasets: from the recipe to a checkpoint that holds the image encoder it trained."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from instructseq_model.checkpoint import FORMAT_WITH_VISION, load_checkpoint, read_manifest
from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.model_config import load_model_config
from instructseq_model.perceiver import Perceiver
from instructseq_model.pretrained import (
    SOURCES,
    PackageFile,
    PretrainedSource,
    file_sha256,
    model_directory,
    pretrained_source,
)
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vision import VISION_SPECS
from instructseq_model.vqvae import VQVAE, save_vqvae
from instructseq_training import export
from instructseq_training.config import load_train_config
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.router_training import train_router
from instructseq_training.states import TENSORS
from instructseq_training.train import TOKENIZER, run
from instructseq_training.trainer import LOG, STATE
from instructseq_training.warm_start import start_from

from . import tiny_samples
from .datasets import generate
from .test_train import ROOT, small

RECIPE = """
model: model.yaml
mixture: {mixture}
vision: {{trained: {trained}, learning_rate: 1.0e-3}}
steps: {steps}
evaluation_frames: 10
threads: 1
batch: {{frames: 6}}
loss: {{heat: 0.0, classes: 0.0}}
tensorboard: true
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model with a tiny image encoder that is "published", a VQ-VAE, and all datasets in `data`."""
    try:
        model_directory(pretrained_source("minilm", offline=True))
    except CheckpointError as error:
        pytest.skip(str(error))
    published = tmp_path / "published.safetensors"
    save_file(tiny_samples.vision().network.state_dict(), published)
    held = PackageFile(requirement="tiny", package="timm", path=str(published), sha256=file_sha256(published))
    monkeypatch.setitem(VISION_SPECS, "tiny", tiny_samples.SPEC)
    monkeypatch.setitem(SOURCES, "tiny", PretrainedSource(package=held))
    config = replace(
        small(load_model_config(ROOT / "config" / "household.yaml")),
        vision_encoder="tiny",
        image_size=tiny_samples.IMAGE_SIZE,
        grounding=None,
        label_sets=("coco_stuff", "ade20k"),
    )
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(config.to_mapping()))
    torch.manual_seed(0)
    save_vqvae(VQVAE(config.vqvae), tmp_path / "vqvae")
    generate.everything(tmp_path / "data")
    return tmp_path


def recipe(folder: Path, *, steps: int = 2, trained: str = "true", mixture: Path = tiny_samples.MIXTURE) -> Path:
    file = folder / "recipe.yaml"
    file.write_text(RECIPE.format(steps=steps, trained=trained, mixture=mixture))
    return file


def train(folder: Path, file: Path) -> None:
    run(file, data=folder / "data", vqvae=folder / "vqvae", out=folder / "out")


def test_a_trained_encoder_is_in_the_checkpoint_and_answers_from_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(folder, recipe(folder, steps=2))
    train(folder, recipe(folder, steps=3))  # goes on
    out = folder / "out"
    rows = [json.loads(line) for line in (out / LOG).read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 2, 3, 3]
    scores = ("coco_stuff_miou", "ade20k_miou", "grefcoco_oiou", "refcocog_exact_boxes", "coco_captions_bleu4")
    assert all(0 <= rows[-1][f"free_{name}"] <= 1 for name in (*scores, "kind_accuracy"))
    assert "\u0120picture" in json.loads((out / TOKENIZER).read_text())["model"]["vocab"]  # of the mixture's captions
    assert list((out / "tensorboard").glob("events*"))

    monkeypatch.setattr(export, "train_router", partial(train_router, epochs=1, fillings=1))
    export.export(folder / "recipe.yaml", run=out, vqvae=folder / "vqvae", out=folder / "model")
    average = load_file(out / STATE / TENSORS)
    published = tiny_samples.vision().state_dict()
    model = load_checkpoint(folder / "model")
    assert read_manifest(folder / "model")["format"] == FORMAT_WITH_VISION
    for name, value in model.vision.state_dict().items():
        assert torch.equal(value, average[f"average.vision.{name}"].half().float()), name
    changed = [name for name, value in published.items() if not torch.equal(value, model.vision.state_dict()[name])]
    assert len(changed) > len(published) // 2
    other = SequenceModel(model.config.sequence)
    with pytest.raises(ConfigError, match="an image encoder of its own"):
        start_from(folder / "model", other, model.vqvae)
    begun = tiny_samples.vision()
    start_from(folder / "model", other, model.vqvae, vision=begun)
    assert all(torch.equal(value, begun.state_dict()[name]) for name, value in model.vision.state_dict().items())
    (folder / "published.safetensors").unlink()  # nothing of it is needed
    perception = Perceiver(load_checkpoint(folder / "model"))(generate.picture(1), "segment everything, coco classes")
    assert perception.size_wh == (generate.WIDTH, generate.HEIGHT)


def test_a_frozen_encoder_is_not_in_the_checkpoint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(folder, recipe(folder, steps=1, trained="false"))
    monkeypatch.setattr(export, "train_router", partial(train_router, epochs=1, fillings=1))
    export.export(folder / "recipe.yaml", run=folder / "out", vqvae=folder / "vqvae", out=folder / "model")
    published = tiny_samples.vision().state_dict()
    held = load_checkpoint(folder / "model").vision.state_dict()
    assert all(torch.equal(value, published[name]) for name, value in held.items())


def test_all_missing_datasets_are_named_with_what_to_do(folder: Path) -> None:
    shutil.rmtree(folder / "data" / "ADEChallengeData2016")
    shutil.rmtree(folder / "data" / "grefcoco")
    wanted = r"lacks 2 of the mixture's 7 datasets: ade20k \(ADEChallengeData2016\), grefcoco .*instructseq data check"
    with pytest.raises(DatasetError, match=wanted):
        train(folder, recipe(folder))


def test_a_mixture_of_other_label_sets_than_the_models_is_refused(folder: Path) -> None:
    values = yaml.safe_load((folder / "model.yaml").read_text())
    (folder / "model.yaml").write_text(yaml.safe_dump(values | {"label_sets": ["coco_stuff"]}))
    with pytest.raises(ConfigError, match="maps of ade20k, but the model household knows coco_stuff"):
        train(folder, recipe(folder))


def test_recipes_say_what_they_need(folder: Path) -> None:
    with pytest.raises(ConfigError, match="--data ROOT"):
        run(recipe(folder), scenes=[folder], vqvae=folder / "vqvae", out=folder / "out")
    (folder / "scenes.yaml").write_text("model: model.yaml\n")
    with pytest.raises(ConfigError, match="--scenes DIR"):
        run(folder / "scenes.yaml", data=folder, vqvae=folder / "vqvae", out=folder / "out")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vision: {trained: true}", "needs a mixture"),
        ("mixture: m.yaml\nbatch: {frames: 4, boxes: 2}", "boxes, but the mixture decides"),
        ("mixture: m.yaml\nexecution: {parallel: fsdp2}", "set execution.parallel: ddp"),
        ("mixture: m.yaml\ngrounding_start: {steps: 3}", "grounding_start are for rendered scenes"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(f"model: model.yaml\n{text}\n")
    with pytest.raises(ConfigError, match=message):
        load_train_config(tmp_path / "recipe.yaml")
