"""Rendered frames made ready for training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from instructseq_model.errors import ConfigError
from instructseq_model.model_config import load_model_config
from instructseq_model.vision import VisionEncoder, build_vision_encoder
from instructseq_training.config import TrainConfig
from instructseq_training.prepared import CLASSES, encode_images, load_prepared, prepare
from instructseq_training.rendered_material import RenderedMaterial, prepare_splits
from instructseq_training.scenes.errors import SceneError
from instructseq_training.scenes.shards import Sample, shard_file, write_shard

SIDE = 16


def frame(number: int) -> Sample:
    rng = np.random.default_rng(number)
    rgb = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    instances = np.repeat(np.repeat(rng.integers(0, 4, (6, 8), dtype=np.uint8), 4, 0), 4, 1)
    record = {"key": f"train-{number}", "captions": [f"number {number}"]}
    return Sample(record["key"], rgb, instances, instances + 1, record)


@pytest.fixture(scope="module")
def encoder() -> VisionEncoder:
    torch.manual_seed(0)
    return build_vision_encoder("dinov2_small", image_size=28, pretrained=None).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("scenes")
    write_shard(shard_file(folder, "train", 0), iter([frame(0), frame(1), frame(2)]))
    write_shard(shard_file(folder, "train", 1), iter([frame(3)]))
    return sorted(folder.glob("*.tar"))


def test_frames_keep_their_order_words_and_ids(shards: list[Path], encoder: VisionEncoder, tmp_path: Path) -> None:
    prepare(shards, tmp_path, encoder=encoder, map_side=SIDE, batch=2)
    found = load_prepared(tmp_path)
    assert len(found) == 4
    for number in range(4):
        made = frame(number)
        assert found.said[number] == made.record
        small = Image.fromarray(made.instances).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        assert np.array_equal(found.instances[number], np.asarray(small))
        assert np.array_equal(found.classes[number], np.asarray(small) + 1)


def test_features_are_the_encoders_whatever_the_batch(
    shards: list[Path], encoder: VisionEncoder, tmp_path: Path
) -> None:
    for batch in (1, 3):
        prepare(shards, tmp_path / str(batch), encoder=encoder, map_side=SIDE, batch=batch)
    one, three = (load_prepared(tmp_path / str(batch)).features for batch in (1, 3))
    assert one.shape[:2] == (4, 4)  # 28 pixels are 2 x 2 patches of 14
    assert np.allclose(one.astype(np.float32), three.astype(np.float32), atol=2e-2)
    assert not np.allclose(one[0].astype(np.float32), one[1].astype(np.float32), atol=0.1)


def test_images_are_stretched_to_the_encoders_square(encoder: VisionEncoder) -> None:
    flat = np.full((10, 20, 3), 200, np.uint8)
    square = np.full((28, 28, 3), 200, np.uint8)
    assert np.allclose(encode_images([flat], encoder), encode_images([square], encoder), atol=1e-2)


def test_nothing_to_prepare_and_lost_parts_say_what_to_do(
    shards: list[Path], encoder: VisionEncoder, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="instructseq scenes"):
        prepare([], tmp_path, encoder=encoder, map_side=SIDE)
    prepare(shards[1:], tmp_path, encoder=encoder, map_side=SIDE)
    np.save(tmp_path / CLASSES, np.zeros((2, SIDE, SIDE), np.uint8))
    with pytest.raises(ConfigError, match="differ in length"):
        load_prepared(tmp_path)
    (tmp_path / CLASSES).unlink()
    with pytest.raises(ConfigError, match=r"lacks classes\.npy"):
        load_prepared(tmp_path)


def test_a_folder_that_was_left_half_prepared_is_not_taken_for_a_whole_one(
    shards: list[Path], encoder: VisionEncoder, tmp_path: Path
) -> None:
    prepare(shards, tmp_path, encoder=encoder, map_side=SIDE)
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(shards[1].read_bytes()[:2000])
    with pytest.raises(SceneError, match="delete it"):
        prepare([shards[0], damaged], tmp_path, encoder=encoder, map_side=SIDE)
    with pytest.raises(ConfigError, match=r"lacks frames\.json"):
        load_prepared(tmp_path)


def test_frames_of_several_folders_follow_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, numbers in (("tables", (0, 1)), ("cameras", (2,))):
        (tmp_path / name).mkdir()
        write_shard(shard_file(tmp_path / name, "train", 0), iter([frame(number) for number in numbers]))
    for split in ("val", "heldout"):
        write_shard(shard_file(tmp_path / "cameras", split, 0), iter([frame(3)]))
    monkeypatch.setattr("instructseq_training.rendered_material.pretrained_source", lambda name: None)
    household = load_model_config(Path(__file__).parents[2] / "config" / "household.yaml")
    config = replace(household, image_size=28)
    folders = [tmp_path / "tables", tmp_path / "cameras"]
    prepare_splits(folders, tmp_path / "prepared", config, torch.device("cpu"))
    assert [said["key"] for said in load_prepared(tmp_path / "prepared" / "train").said] == [
        f"train-{number}" for number in range(3)
    ]
    assert len(load_prepared(tmp_path / "prepared" / "val")) == 1
    with pytest.raises(ConfigError, match=r"holds no val-\*\.tar"):
        prepare_splits(folders[:1], tmp_path / "other", config, torch.device("cpu"))


def test_a_model_that_is_to_see_images_otherwise_is_refused(tmp_path: Path) -> None:
    household = load_model_config(Path(__file__).parents[2] / "config" / "household.yaml")
    boxed = replace(household, fit="letterbox")
    with pytest.raises(ConfigError, match="set fit: stretch"):
        RenderedMaterial.open(
            [tmp_path], tmp_path, config=boxed, settings=TrainConfig(model=""), device=torch.device("cpu")
        )
