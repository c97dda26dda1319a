import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from instructseq_model.errors import ConfigError
from instructseq_training.vqvae.maps import MapBatch, Palettes, draw_batch
from instructseq_training.vqvae.scenes import MixedMaps, SceneMaps, read_scene_maps
from instructseq_training.vqvae.synthetic import SyntheticMaps

PALETTES = Palettes(
    semantic=np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0]], np.uint8),
    referring=np.array([[0, 0, 0], [0, 0, 255]], np.uint8),
)
SHAPES = SyntheticMaps(side=32, classes=5, named_colours=3)


def png(ids: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(ids.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write_shard(path: Path, frames: dict[str, dict[str, np.ndarray]]) -> None:
    with tarfile.open(path, "w") as archive:
        for key, maps in frames.items():
            for kind, ids in maps.items():
                content = png(ids)
                member = tarfile.TarInfo(f"{key}.{kind}.png")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def test_maps_are_painted_with_the_palette_of_their_kind() -> None:
    batch = MapBatch(ids=torch.tensor([[[2]], [[1]]]), kinds=torch.tensor([0, 1]))
    images = batch.images(PALETTES.tensor())
    assert images[:, :, 0, 0].tolist() == [[1.0, -1.0, -1.0], [-1.0, -1.0, 1.0]]


def test_crops_tile_the_whole_map() -> None:
    whole = draw_batch(SHAPES, (3,), maps=2, crop=32, referring_share=0.5)
    crops = draw_batch(SHAPES, (3,), maps=2, crop=16, referring_share=0.5)
    assert crops.ids.shape == (8, 16, 16)
    assert torch.equal(crops.ids[1], whole.ids[0, :16, 16:])
    assert torch.equal(crops.ids[6], whole.ids[1, 16:, :16])
    assert crops.kinds.tolist() == [0] * 4 + [1] * 4


def test_synthetic_maps_depend_on_the_seed_alone_and_stay_in_range() -> None:
    first, again, other = (SHAPES.semantic(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    maps = [SHAPES.semantic(np.random.default_rng(seed)) for seed in range(40)]
    assert max(int(ids.max()) for ids in maps) <= 5


def test_referring_maps_have_one_colour_and_are_sometimes_empty() -> None:
    rng = np.random.default_rng(0)
    values = [np.unique(SHAPES.referring(rng)) for _ in range(100)]
    assert all(len(found[found > 0]) <= 1 for found in values)
    assert 0 < sum(found.max() == 0 for found in values) < 40


def test_scene_shards_become_stretched_maps(tmp_path: Path) -> None:
    classes = np.repeat(np.array([[0, 1], [2, 3]]), 30, 0).repeat(40, 1)  # 60 x 80
    write_shard(tmp_path / "train-00000.tar", {"a": {"classes": classes, "instances": classes}})
    maps = read_scene_maps(tmp_path, split="train", side=16, named_colours=3, class_count=4)
    assert np.array_equal(maps.classes[0], np.repeat(np.array([[0, 1], [2, 3]]), 8, 0).repeat(8, 1))


def test_frames_without_both_maps_are_left_out_and_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    write_shard(tmp_path / "val-00000.tar", {"a": {"classes": np.zeros((8, 8))}})
    with pytest.raises(ConfigError, match="instructseq scenes"):
        read_scene_maps(tmp_path, split="val", side=16, named_colours=3, class_count=4)


def test_a_class_outside_the_label_set_is_refused(tmp_path: Path) -> None:
    frame = np.full((8, 8), 9)
    write_shard(tmp_path / "val-00000.tar", {"a": {"classes": frame, "instances": frame}})
    with pytest.raises(ConfigError, match="class id 9"):
        read_scene_maps(tmp_path, split="val", side=16, named_colours=3, class_count=4)


def test_scene_referring_maps_show_whole_objects() -> None:
    frame = np.zeros((16, 16), np.uint8)
    frame[:8, :8], frame[10:, 10:], frame[0, 15] = 1, 2, 3  # the third is too small to be asked for
    scenes = SceneMaps(classes=[frame], instances=[frame], named_colours=2, class_count=4)
    rng = np.random.default_rng(0)
    sizes = {int((scenes.referring(rng) > 0).sum()) for _ in range(60)}
    assert sizes == {0, 64, 36, 100}


def test_recolouring_renames_classes_one_to_one() -> None:
    frame = np.arange(16, dtype=np.uint8).reshape(4, 4) % 4
    scenes = SceneMaps(classes=[frame], instances=[frame], named_colours=2, class_count=4, recoloured=1.0)
    seen = {tuple(np.unique(scenes.semantic(np.random.default_rng(seed)))) for seed in range(5)}
    assert seen == {(1, 2, 3, 4)}


def test_mixture_draws_from_both_sources() -> None:
    plain = SceneMaps(
        classes=[np.zeros((4, 4), np.uint8)], instances=[np.zeros((4, 4), np.uint8)], named_colours=2, class_count=4
    )
    mixed = MixedMaps(first=plain, second=SHAPES, share=0.5)
    sides = [mixed.semantic(np.random.default_rng(seed)).shape[0] for seed in range(40)]
    assert 8 < sides.count(4) < 32
